//! Deletes what has had its time: payloads of events, and allowances that are whole again. The ids
//! of events stay for ever, so that a late duplicate is still known.

use std::time::Duration;

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::App;
use crate::store;

const EVERY: Duration = Duration::from_secs(60 * 60);
/// So many at once, so that nobody waits long for the writer.
const MOST: i64 = 1000;
const DAY: i64 = 24 * 60 * 60;

/// Purges now and then every hour, until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        match purge(&app).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "payloads of old events deleted"),
            Err(error) => tracing::error!(%error, "old events could not be purged"),
        }
        if let Err(error) = forget_allowances(&app).await {
            tracing::error!(%error, "old allowances could not be forgotten");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn forget_allowances(app: &App) -> store::Result<()> {
    let now = app.clock.now() * 1000;
    app.store
        .write(move |tx| async move { store::allowance::purge(tx, now).await }.boxed())
        .await
}

/// Deletes the payloads whose time is over, and says how many there were.
pub async fn purge(app: &App) -> store::Result<u64> {
    let before = app.clock.now() - app.config.event_retention_days * DAY;
    let mut count = 0;
    loop {
        let some = app
            .store
            .write(move |tx| async move { store::event::purge(tx, before, MOST).await }.boxed())
            .await?;
        if some == 0 {
            return Ok(count);
        }
        count += some;
    }
}
