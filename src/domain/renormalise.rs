//! Rewrites stored customer addresses to the current result of [`email::normalise`]. An earlier version may have normalised
//! them differently.

use futures::FutureExt;

use super::email;
use crate::store::{self, Store};

/// The version of `normalise`. Raise it when the normalisation changes.
const VERSION: &str = "2";
const NAME: &str = "addresses normalised";
/// Batch size: rows per transaction.
const AT_ONCE: i64 = 1_000;

/// Runs once per version. Only addresses with non-ASCII characters can differ.
pub async fn run(store: &Store, now: i64) -> store::Result<()> {
    let done = store
        .read(|tx| store::progress::get(tx, NAME).boxed())
        .await?;
    if done.as_deref() == Some(VERSION) {
        return Ok(());
    }
    let mut after = String::new();
    loop {
        let from = after.clone();
        let part = store.write(move |tx| {
            async move {
                let rows = store::customer::odd_addresses(tx, &from, AT_ONCE).await?;
                for (id, address) in &rows {
                    let normalised = email::normalise(address);
                    store::customer::set_normalised(tx, id, address, &normalised).await?;
                }
                Ok(rows)
            }
            .boxed()
        });
        let Some((last, _)) = part.await?.pop() else {
            break;
        };
        after = last;
    }
    store
        .write(move |tx| store::progress::set(tx, NAME, VERSION, now).boxed())
        .await
}
