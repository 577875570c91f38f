//! Ends expired sessions: those that have reached a limit, also those that are no longer used. The end is stored, so that a session
//! stays expired when a clock is set back.

use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{App, changes::Change, session};
use crate::store;

const EVERY: Duration = Duration::from_secs(60);

/// Ends expired sessions at once, and then every minute, until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        if let Err(error) = expire(&app).await {
            tracing::error!(%error, "sessions beyond their limits could not be ended");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Ends the expired sessions, and returns how many there were.
pub async fn expire(app: &App) -> store::Result<usize> {
    let now = app.clock.now();
    let limits = session::limits(app, now);
    let ended = app
        .store
        .write(move |tx| async move { store::session::expire(tx, limits, now).await }.boxed())
        .await?;
    let count = ended.len();
    app.changes.tell_all(ended.into_iter().map(Change::Of));
    Ok(count)
}
