//! Stripe's mode (live or test) that the database belongs to: the mode of the first API key that it was used with. The program does not
//! start with a key of the other mode, which would mix test data with real customers.

use futures::FutureExt;

use crate::store::{self, Store};

/// The name under which the database keeps the mode.
const NAME: &str = "livemode";

/// The mode of the database: `true` for live. `None` before the first start.
pub async fn of(store: &Store) -> store::Result<Option<bool>> {
    let kept = store.read(|tx| store::progress::get(tx, NAME).boxed());
    Ok(kept.await?.map(|text| text == word(true)))
}

/// Sets the mode of a new database to that of the API key. Returns the mode of the database, which never changes after that.
pub async fn settle(store: &Store, livemode: bool, now: i64) -> store::Result<bool> {
    if let Some(known) = of(store).await? {
        return Ok(known);
    }
    let work = store.write(move |tx| {
        async move {
            // If several processes start at once, the lock lets the first one decide.
            tx.lock(&[NAME]).await?;
            if let Some(known) = store::progress::get(tx, NAME).await? {
                return Ok(known == word(true));
            }
            // A database from before the mode was stored has the mode of its customers.
            let found = store::customer::livemode(tx).await?.unwrap_or(livemode);
            store::progress::set(tx, NAME, word(found), now).await?;
            Ok(found)
        }
        .boxed()
    });
    work.await
}

/// The name of a mode in Stripe's dashboard.
pub fn word(livemode: bool) -> &'static str {
    if livemode { "live" } else { "test" }
}
