//! Asks Stripe for the events that never arrived: on start, then every hour, from where the last
//! sweep began. Stripe keeps events for 30 days. They go in by the same door as webhooks do, where
//! known ones are duplicates, so overlap costs nothing and order does not matter.

use std::time::Duration;

use futures::{FutureExt, future::try_join_all};
use tokio_util::sync::CancellationToken;

use super::{App, inbox::NotStored, sync::Outcome};
use crate::{
    store,
    stripe::{Event, client, json},
};

const EVERY: Duration = Duration::from_secs(60 * 60);
/// How far back Stripe knows events (<https://docs.stripe.com/api/events>).
const KEPT_BY_STRIPE: i64 = 30 * 24 * 60 * 60;
/// Seconds that a sweep goes further back than the last one came: what happened while Stripe was
/// making a page may be on none.
const OVERLAP: i64 = 5 * 60;
/// Seconds that clocks may differ (checklist 48).
const MOST_SKEW: i64 = 60;
const CURSOR: &str = "sweep";

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Events that Stripe listed.
    pub seen: u64,
    /// The ids of those that had not arrived though they are of a kind that is mirrored.
    pub found: Vec<String>,
    /// Seconds between the last sweep and the oldest event that Stripe still knows: what happened
    /// then may never be known. 0 is good.
    pub gap: i64,
    /// Seconds that this machine's clock is ahead of Stripe's, or behind it.
    pub skew: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Stripe(#[from] client::Error),
    #[error("the database could not be used: {0}")]
    Store(#[from] store::Error),
    #[error(transparent)]
    NotStored(#[from] NotStored),
}

/// Sweeps now and then every hour, until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        let swept = tokio::select! {
            () = stop.cancelled() => return,
            swept = sweep(&app) => swept,
        };
        match swept {
            Ok(swept) => tell(&swept),
            Err(Error::Stripe(error)) if error.is_not_allowed() => {
                tracing::info!(
                    "the key may not read events, so events that never arrived are not asked for; \
                     give it `Events: Read` for that"
                );
            }
            Err(error) => tracing::warn!(%error, "the sweep failed; the next one goes as far back"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn tell(swept: &Swept) {
    if swept.skew.abs() > MOST_SKEW {
        tracing::error!(
            alarm = "clock",
            seconds = swept.skew,
            "this machine's clock is not Stripe's: links, sessions and limits end at the wrong time, and from \
             five minutes on Stripe's events are refused; let it be set by NTP"
        );
    }
    if swept.gap > 0 {
        tracing::error!(
            days = swept.gap / (24 * 60 * 60),
            "events were missed that Stripe does not know any more: run `billhook import`"
        );
    }
    if let Some(first) = swept.found.first() {
        tracing::warn!(
            found = swept.found.len(),
            first,
            seen = swept.seen,
            "events that never arrived were found"
        );
    } else {
        tracing::debug!(seen = swept.seen, "swept");
    }
}

/// Asks for everything since the last sweep began, and moves the cursor when all of it is stored.
/// The first one only sets the cursor: what was before is the import's.
pub async fn sweep(app: &App) -> Result<Swept, Error> {
    let cursor = app
        .store
        .read(|tx| async move { store::progress::get(tx, CURSOR).await }.boxed())
        .await?
        .and_then(|text| text.parse::<i64>().ok());
    let Some(cursor) = cursor else {
        let page = app.stripe.page("v1/events", &[]).await?;
        set_cursor(app, page.as_of).await?;
        return Ok(Swept {
            skew: skew(app, page.as_of),
            ..Swept::default()
        });
    };
    let from = cursor.saturating_sub(OVERLAP).to_string();
    let mut swept = Swept::default();
    let mut began = None;
    let mut after = None::<String>;
    loop {
        let mut query = vec![("created[gte]", from.as_str())];
        query.extend(after.as_deref().map(|id| ("starting_after", id)));
        let page = app.stripe.page("v1/events", &query).await?;
        if began.is_none() {
            swept.skew = skew(app, page.as_of);
        }
        let began = *began.get_or_insert(page.as_of);
        after = page
            .objects
            .last()
            .and_then(|event| json::text(event, "id"));
        let is_last = !page.has_more || after.is_none();
        // Together, so that they share commits.
        let received = page.objects.iter().map(|object| receive(app, object));
        for found in try_join_all(received).await? {
            swept.seen += 1;
            swept.found.extend(found);
        }
        if is_last {
            swept.gap = (began - KEPT_BY_STRIPE - cursor).max(0);
            set_cursor(app, began).await?;
            return Ok(swept);
        }
    }
}

/// By what was read just now as of a second of Stripe's, to some seconds. 0 where Stripe gave no date.
fn skew(app: &App, as_of: i64) -> i64 {
    match as_of {
        0 => 0,
        as_of => app.clock.now() - as_of,
    }
}

/// The id of the event if it had not arrived and is missed.
async fn receive(app: &App, object: &serde_json::Value) -> Result<Option<String>, Error> {
    let Ok(event) = Event::parse(object.to_string().as_bytes()) else {
        return Ok(None);
    };
    let id = event.id.clone();
    let outcome = app.inbox.receive(event).await?;
    // What the endpoint is not subscribed to never arrives, and is not missed.
    Ok(match outcome {
        Outcome::Duplicate | Outcome::Ignored => None,
        _ => Some(id),
    })
}

/// What happens from that second on is the next sweep's.
pub async fn set_cursor(app: &App, second: i64) -> Result<(), Error> {
    let now = app.clock.now();
    app.store
        .write(move |tx| {
            async move { store::progress::set(tx, CURSOR, &second.to_string(), now).await }.boxed()
        })
        .await?;
    Ok(())
}

/// Whether there is a cursor: whether what happens from now on will be found.
pub async fn has_begun(app: &App) -> Result<bool, Error> {
    let known = app
        .store
        .read(|tx| async move { store::progress::get(tx, CURSOR).await }.boxed())
        .await?;
    Ok(known.is_some())
}
