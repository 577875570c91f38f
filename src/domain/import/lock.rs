//! One import at a time on one database: two would read everything twice and each take the other's
//! notes of how far it is. Whoever imports says so every few seconds; who was killed is forgotten
//! after a minute by the database's clock.

use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{clock, domain::App, store};

const NAME: &str = "import under way";
/// Seconds without a sign of life after which another may begin.
pub const LOST: i64 = 60;
const SIGN_EVERY: Duration = Duration::from_secs(10);

/// Held while an import runs.
#[derive(Debug)]
pub struct Lock {
    holder: String,
    signs_end_with_it: DropGuard,
}

impl Lock {
    /// Takes it, unless another import has it. `lost` is cancelled should another take it over, after
    /// this machine slept for instance.
    pub async fn take(app: &App, lost: &CancellationToken) -> store::Result<Option<Lock>> {
        let holder = clock::new_id("import");
        if !claim(app, &holder).await? {
            return Ok(None);
        }
        let ended = CancellationToken::new();
        let (app, lost, mine) = (app.clone(), lost.clone(), holder.clone());
        tokio::spawn(ended.clone().run_until_cancelled_owned(async move {
            loop {
                tokio::time::sleep(SIGN_EVERY).await;
                match sign(&app, &mine).await {
                    Ok(true) => {}
                    Ok(false) => return lost.cancel(),
                    Err(error) => tracing::warn!(%error, "the import could not say that it runs"),
                }
            }
        }));
        Ok(Some(Lock {
            holder,
            signs_end_with_it: ended.drop_guard(),
        }))
    }

    /// Lets the next one begin. `false` if another has taken it over.
    pub async fn release(self, app: &App) -> store::Result<bool> {
        let Lock {
            holder,
            signs_end_with_it,
        } = self;
        drop(signs_end_with_it);
        app.store
            .write(move |tx| {
                async move { store::progress::release(tx, NAME, &holder).await }.boxed()
            })
            .await
    }
}

async fn claim(app: &App, holder: &str) -> store::Result<bool> {
    let holder = holder.to_owned();
    app.store
        .write(move |tx| {
            async move { store::progress::claim(tx, NAME, &holder, LOST).await }.boxed()
        })
        .await
}

/// Says that the holder is still at it. Never takes what was given back.
async fn sign(app: &App, holder: &str) -> store::Result<bool> {
    let holder = holder.to_owned();
    app.store
        .write(move |tx| async move { store::progress::sign(tx, NAME, &holder).await }.boxed())
        .await
}
