//! Which of Stripe's two worlds the database belongs to: that of the first key that it was used with.
//! A key of the other world would mix trials with real customers, so the program does not start.

use futures::FutureExt;

use crate::store::{self, Store};

/// Under which it is kept.
const NAME: &str = "livemode";

/// The world of the database, `true` for live. Nothing before the first start.
pub async fn of(store: &Store) -> store::Result<Option<bool>> {
    let kept = store.read(|tx| store::progress::get(tx, NAME).boxed());
    Ok(kept.await?.map(|text| text == word(true)))
}

/// Makes the world of the key that of a new database, and says which it is from then on.
pub async fn settle(store: &Store, livemode: bool, now: i64) -> store::Result<bool> {
    if let Some(known) = of(store).await? {
        return Ok(known);
    }
    let work = store.write(move |tx| {
        async move {
            // Of several processes that start at once the first decides.
            tx.lock(&[NAME]).await?;
            if let Some(known) = store::progress::get(tx, NAME).await? {
                return Ok(known == word(true));
            }
            // A database from before this was kept is of the world of what is in it.
            let found = store::customer::livemode(tx).await?.unwrap_or(livemode);
            store::progress::set(tx, NAME, word(found), now).await?;
            Ok(found)
        }
        .boxed()
    });
    work.await
}

/// As Stripe's dashboard calls it.
pub fn word(livemode: bool) -> &'static str {
    if livemode { "live" } else { "test" }
}
