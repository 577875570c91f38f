//! Reconciliation: lists events from Stripe to find those whose webhook never arrived. It runs on start and every hour, from
//! the start of the last sweep. Stripe keeps events for 30 days. Found events take the same path as webhooks, which is
//! idempotent: known ones are duplicates. So overlap is harmless and order does not matter.

use std::time::Duration;

use futures::{FutureExt, future::try_join_all};
use tokio_util::sync::CancellationToken;

use super::{App, inbox::NotStored, sync::Outcome};
use crate::{
    store,
    stripe::{Event, client, json},
};

const EVERY: Duration = Duration::from_secs(60 * 60);
/// Stripe's retention of events in seconds (<https://docs.stripe.com/api/events>).
const KEPT_BY_STRIPE: i64 = 30 * 24 * 60 * 60;
/// Overlap in seconds with the last sweep: Stripe may miss an event that is created while it builds a page.
const OVERLAP: i64 = 5 * 60;
/// The largest accepted clock skew in seconds (checklist 48).
const MOST_SKEW: i64 = 60;
const CURSOR: &str = "sweep";

/// The result of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// The number of events that Stripe listed.
    pub seen: u64,
    /// The ids of mirrored events that had not arrived.
    pub found: Vec<String>,
    /// Seconds between the last sweep and the oldest event that Stripe still keeps: changes in that time may be lost. 0 means
    /// no gap.
    pub gap: i64,
    /// Clock skew: seconds that this machine's clock is ahead of Stripe's, or behind it.
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

/// Sweeps on start and every hour, until `stop`.
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

/// Lists all events since the last sweep began. It moves the cursor when all of them are stored, so a crash repeats the sweep.
/// The first sweep only sets the cursor: the import covers everything before.
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
        // In parallel, so that they share commits (batch).
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

/// The clock skew, from a response just read as of Stripe's second `as_of`, accurate to a few seconds. 0 where Stripe sent no
/// `Date`.
fn skew(app: &App, as_of: i64) -> i64 {
    match as_of {
        0 => 0,
        as_of => app.clock.now() - as_of,
    }
}

/// Returns the event's id if it had not arrived and should have.
async fn receive(app: &App, object: &serde_json::Value) -> Result<Option<String>, Error> {
    let Ok(event) = Event::parse(object.to_string().as_bytes()) else {
        return Ok(None);
    };
    let id = event.id.clone();
    let outcome = app.inbox.receive(event).await?;
    // An event type that the endpoint does not subscribe to never arrives by webhook, so it does not count.
    Ok(match outcome {
        Outcome::Duplicate | Outcome::Ignored => None,
        _ => Some(id),
    })
}

/// The next sweep starts from this second.
pub async fn set_cursor(app: &App, second: i64) -> Result<(), Error> {
    let now = app.clock.now();
    app.store
        .write(move |tx| {
            async move { store::progress::set(tx, CURSOR, &second.to_string(), now).await }.boxed()
        })
        .await?;
    Ok(())
}

/// Whether a cursor exists, which means that sweeps will find what happens from now on.
pub async fn has_begun(app: &App) -> Result<bool, Error> {
    let known = app
        .store
        .read(|tx| async move { store::progress::get(tx, CURSOR).await }.boxed())
        .await?;
    Ok(known.is_some())
}
