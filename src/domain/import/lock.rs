//! A lock that allows one import at a time on a database. Two imports would read everything twice and overwrite each other's
//! checkpoints. The lock is a lease: the import renews it by a heartbeat every few seconds. The lease of a killed import expires
//! after a minute by the database's clock.

use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{clock, domain::App, store};

const NAME: &str = "import under way";
/// The lease in seconds: without a heartbeat for this long, another import can take the lock over.
pub const LOST: i64 = 60;
const SIGN_EVERY: Duration = Duration::from_secs(10);

/// The lock that an import holds while it runs.
#[derive(Debug)]
pub struct Lock {
    holder: String,
    signs_end_with_it: DropGuard,
}

impl Lock {
    /// Takes the lock, unless another import holds it. Cancels `lost` if another import takes the lock over, for instance after this
    /// machine was suspended.
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

    /// Releases the lock. `false` if another import has taken it over.
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

/// Sends a heartbeat: renews the lease if the holder still has the lock. Never takes a lock that was released.
async fn sign(app: &App, holder: &str) -> store::Result<bool> {
    let holder = holder.to_owned();
    app.store
        .write(move |tx| async move { store::progress::sign(tx, NAME, &holder).await }.boxed())
        .await
}
