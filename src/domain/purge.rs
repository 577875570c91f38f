//! Deletes expired data (retention): payloads of events, sign-ins with their mails, ended sessions, and rate limits that are
//! full again. The ids of events stay for ever, so that late duplicates are still recognised (idempotency). The audit log
//! stays too.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use tokio_util::sync::CancellationToken;

use super::{App, known_device};
use crate::store::{self, Tx};

const EVERY: Duration = Duration::from_secs(60 * 60);
/// Batch size, so that a batch does not hold the database's write lock for long.
const MOST: i64 = 1000;
const DAY: i64 = 24 * 60 * 60;
/// Retention in seconds of a sign-in and its mail after their expiry, to answer support questions such as "no mail came".
const SIGN_INS_FOR: i64 = DAY;
/// Retention in seconds of an address's delivery results, after the last of them.
const MAILS_FOR: i64 = 30 * DAY;
/// Retention in seconds of an ended session, so that its browser can be told why it ended.
pub const SESSIONS_FOR: i64 = 30 * DAY;

/// How many rows were deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    pub payloads: u64,
    pub sign_ins: u64,
    pub sessions: u64,
}

/// Purges on start and every hour, until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        match purge(&app).await {
            Ok(Purged {
                payloads,
                sign_ins,
                sessions,
            }) if payloads + sign_ins + sessions > 0 => {
                tracing::info!(payloads, sign_ins, sessions, "expired data was deleted");
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "expired data could not be deleted"),
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
    let clock = app.clock.clone();
    until_none(app, move |tx| {
        async move {
            let time = clock.of_database(tx.clock().await?);
            store::rate_limit::purge(tx, time * 1000, MOST).await
        }
        .boxed()
    })
    .await
    .map(drop)
}

/// How many payloads are past their retention.
pub async fn due(app: &App) -> store::Result<i64> {
    let before = before(app);
    app.store
        .read(move |tx| async move { store::event::purgeable(tx, before).await }.boxed())
        .await
}

fn before(app: &App) -> i64 {
    app.clock.now() - app.config.event_retention_days * DAY
}

/// Deletes everything that is past its retention.
pub async fn purge(app: &App) -> store::Result<Purged> {
    let now = app.clock.now();
    let received_before = before(app);
    let payloads = until_none(app, move |tx| {
        async move { store::event::purge(tx, received_before, MOST).await }.boxed()
    })
    .await?;
    // Mails first: each has a foreign key to its sign-in.
    let expired_before = now - SIGN_INS_FOR;
    until_none(app, move |tx| {
        async move { store::outbox::purge(tx, expired_before, MOST).await }.boxed()
    })
    .await?;
    let sign_ins = until_none(app, move |tx| {
        async move { store::sign_in::purge(tx, expired_before, MOST).await }.boxed()
    })
    .await?;
    // No valid device cookie is older than this.
    let ends_before = now - known_device::LIFETIME;
    until_none(app, move |tx| {
        async move { store::device::purge(tx, ends_before, MOST).await }.boxed()
    })
    .await?;
    let kept_before = now - MAILS_FOR;
    until_none(app, move |tx| {
        async move { store::progress::purge_mails(tx, kept_before, MOST).await }.boxed()
    })
    .await?;
    let ended_before = now - SESSIONS_FOR;
    let lifetime = app.config.session_hours * 60 * 60;
    let sessions = until_none(app, move |tx| {
        async move { store::session::purge(tx, ended_before, lifetime, MOST).await }.boxed()
    })
    .await?;
    Ok(Purged {
        payloads,
        sign_ins,
        sessions,
    })
}

/// Deletes in batches, each in a transaction of its own, until nothing is left. Returns the number of deleted rows.
async fn until_none(
    app: &App,
    some: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, store::Result<u64>> + Clone + Send + 'static,
) -> store::Result<u64> {
    let mut count = 0;
    loop {
        match app.store.write(some.clone()).await? {
            0 => return Ok(count),
            more => count += more,
        }
    }
}
