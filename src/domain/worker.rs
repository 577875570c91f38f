//! The worker for events that could not be settled on arrival: failed events, replayed events, and events that require a read
//! from Stripe. It retries with backoff. Several processes can run it at once: each claims events with a lease.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{
    App, devices,
    mirror::{self, Kind, Source},
    missing_objects,
    refetch::{self, Fetched},
    sync::{self, Doubt, Ours, Outcome},
};
use crate::{
    backoff::Backoff,
    mask::masked,
    store::{self, Store, event::Event as Row},
    stripe::Event,
};

/// Batch size of a claim: small, so that incoming events do not wait long for the database's write lock.
const MOST: i64 = 64;
/// Batch size of a replay: events made due in one transaction.
const REPLAYED_AT_ONCE: usize = 64;
/// Backpressure of a replay: after each batch it sleeps this many times the batch's duration, up to the limit below. A server
/// in another process polls for SQLite's lock with growing backoff, and should find it free within the first few polls.
const BREATHS: u32 = 3;
const LONGEST_BREATH: Duration = Duration::from_millis(200);
/// Leases in seconds, after which another worker takes the events of one that died: the short lease while a batch is applied,
/// the long one while events are applied one by one or Stripe is asked.
const LEASE: i64 = 10;
const LONG_LEASE: i64 = 60;
/// Poll interval. Other processes and commands make events due without notifying this one.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// An event that has failed this often, or for this long, is dead (checklist 52).
pub(super) const MOST_ATTEMPTS: i64 = 12;
const LONGEST: i64 = 72 * 60 * 60;
const BETWEEN_TRIES: Backoff =
    Backoff::new(Duration::from_secs(5), 3, Duration::from_secs(16 * 60 * 60));
/// Seconds for which a noun that the key may not read is not requested again.
const NOT_ALLOWED_FOR: i64 = 60 * 60;
/// Seconds until a read that came too early is repeated.
const SOON: i64 = 2;
/// Objects that are requested from Stripe in parallel. Even when Stripe hangs, all requests time out before the long lease ends,
/// except for an object whose list hangs too. A failure after the lease belongs to the worker that took the event over.
const ASKED_AT_ONCE: usize = 16;
/// Clock skew limit: an event this many seconds ahead of Stripe's own clock is not waited for.
const TOO_FAR_AHEAD: i64 = 60;

/// When each noun may be requested again, after Stripe has said that the key may not read it.
#[derive(Clone, Debug, Default)]
pub struct Permissions(Arc<Mutex<BTreeMap<Kind, i64>>>);

impl Permissions {
    pub(super) fn may_read(&self, kind: Kind, now: i64) -> bool {
        let is_closed = matches!(kind.about().source, Source::Closed(_));
        !is_closed && self.lock().get(&kind).is_none_or(|again| *again <= now)
    }

    pub(super) fn refuse(&self, kind: Kind, now: i64) {
        self.lock().insert(kind, now + NOT_ALLOWED_FOR);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Handles due events until `stop`.
pub async fn run(app: App, stop: CancellationToken) {
    loop {
        // Safe to cancel at any point: claimed events are due again when their lease ends.
        let result = tokio::select! {
            () = stop.cancelled() => return,
            result = both(&app) => result,
        };
        match result {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%error, "the events that are due could not be worked on");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn both(app: &App) -> store::Result<bool> {
    let did_events = step(app).await?;
    Ok(missing_objects::step(app).await? || did_events)
}

/// Makes these events due at `now`, as if they had just arrived. Returns how many still have their payloads. It works in
/// batches with pauses between them, so that incoming events do not wait for all of it.
pub async fn replay(store: &Store, ids: &[String], now: i64) -> store::Result<u64> {
    let mut replayed = 0;
    let mut parts = ids.chunks(REPLAYED_AT_ONCE).peekable();
    while let Some(some) = parts.next() {
        let some = some.to_vec();
        let work = store.write(move |tx| {
            async move {
                let some: Vec<_> = some.iter().map(String::as_str).collect();
                store::event::requeue(tx, &some, now).await
            }
            .boxed()
        });
        let began = Instant::now();
        replayed += work.await?;
        if parts.peek().is_some() {
            tokio::time::sleep((began.elapsed() * BREATHS).min(LONGEST_BREATH)).await;
        }
    }
    Ok(replayed)
}

/// Handles a batch of due events. Returns false when there are none.
pub async fn step(app: &App) -> store::Result<bool> {
    let now = app.clock.now();
    let claimed = app
        .store
        .write(move |tx| {
            async move { store::event::claim(tx, now, now + LEASE, MOST).await }.boxed()
        })
        .await?;
    if claimed.is_empty() {
        return Ok(false);
    }
    let taken: Vec<_> = claimed.iter().map(|row| row.id.clone()).collect();
    let mut events = Vec::with_capacity(claimed.len());
    for row in claimed {
        match Event::parse(row.payload.as_bytes()) {
            Ok(event) => events.push((row, event)),
            Err(_) => {
                let error = "its payload has been deleted, so it cannot be applied again";
                record_failure(app, &row, error, true).await?;
            }
        }
    }
    let mut to_ask = match apply(app, events).await {
        Ok(to_ask) => to_ask,
        Err(error) => {
            // A database error does not count as a try of these events. If giving them back fails too, they wait for their lease to end.
            let _ = give_back(app, taken, now).await;
            return Err(error);
        }
    };
    let later = to_ask.split_off(to_ask.len().min(ASKED_AT_ONCE));
    let later = later.into_iter().flat_map(|(_, events)| events).collect();
    postpone(app, later, now).await?;
    let asked = to_ask.iter_mut().flat_map(|(_, events)| events);
    hold(app, asked.map(|(row, _)| row)).await?;
    // In parallel: a Stripe endpoint that hangs delays only the objects that are requested from it.
    let asking = to_ask
        .into_iter()
        .map(|(kind, events)| ask(app, kind, events));
    futures::future::try_join_all(asking).await?;
    Ok(true)
}

/// Makes events that were claimed at `now`, and not handled, due again.
async fn give_back(app: &App, ids: Vec<String>, now: i64) -> store::Result<()> {
    app.store
        .write(move |tx| {
            async move {
                let ids: Vec<_> = ids.iter().map(String::as_str).collect();
                store::event::postpone(tx, &ids, now + LEASE, now).await
            }
            .boxed()
        })
        .await
}

type Claimed = Vec<(Row, Event)>;

/// Applies the events as a batch or, if that fails, one by one. Returns the events that require a read from Stripe, by object.
async fn apply(app: &App, mut events: Claimed) -> store::Result<Vec<(Kind, Claimed)>> {
    let outcomes = match apply_together(app, &events).await {
        Ok(outcomes) => outcomes,
        Err(error) if store::is_away(&error) => return Err(error),
        Err(_) => {
            hold(app, events.iter_mut().map(|(row, _)| row)).await?;
            let mut outcomes = Vec::with_capacity(events.len());
            for one in &events {
                match apply_together(app, std::slice::from_ref(one)).await {
                    Ok(outcome) => outcomes.extend(outcome),
                    Err(error) if store::is_away(&error) => return Err(error),
                    Err(error) => {
                        record_failure(app, &one.0, &error.to_string(), false).await?;
                        outcomes.push(Outcome::Failed);
                    }
                }
            }
            outcomes
        }
    };
    let ours = Ours::of(&app.config);
    let mut to_ask = BTreeMap::<(Kind, String), Claimed>::new();
    for (claimed, outcome) in events.into_iter().zip(outcomes) {
        let kind = sync::kind(&claimed.1, &ours).filter(|_| outcome == Outcome::Pending);
        if let Some(key) = kind.zip(claimed.1.object_id.clone()) {
            to_ask.entry(key).or_default().push(claimed);
        }
    }
    Ok(to_ask
        .into_iter()
        .map(|((kind, _), events)| (kind, events))
        .collect())
}

/// Extends the lease of these events for slow work.
async fn hold<'r>(app: &App, rows: impl Iterator<Item = &'r mut Row>) -> store::Result<()> {
    let until = app.clock.now() + LONG_LEASE;
    let taken = |row: &mut Row| Some((row.id.clone(), row.due_at.replace(until)?));
    let held: Vec<_> = rows.filter_map(taken).collect();
    let Some(claimed) = held.first().map(|(_, due_at)| *due_at) else {
        return Ok(());
    };
    app.store
        .write(move |tx| {
            async move {
                let ids: Vec<_> = held.iter().map(|(id, _)| id.as_str()).collect();
                store::event::hold(tx, &ids, claimed, until).await
            }
            .boxed()
        })
        .await
}

async fn apply_together(app: &App, events: &[(Row, Event)]) -> store::Result<Vec<Outcome>> {
    let events: Vec<_> = events.iter().map(|(_, event)| event.clone()).collect();
    settle(app, events, Doubt::Ask).await
}

/// Applies stored events and records the outcomes. Pending events keep their lease.
async fn settle(app: &App, events: Vec<Event>, doubt: Doubt) -> store::Result<Vec<Outcome>> {
    let (ours, now) = (Ours::of(&app.config), app.clock.now());
    let received = app
        .store
        .write(move |tx| {
            async move {
                let received = sync::apply(tx, &events, &ours, doubt, now).await?;
                devices::end_orphans(tx, &received.left, ours.livemode, now).await?;
                for outcome in [Outcome::Applied, Outcome::Stale, Outcome::Ignored] {
                    let ids: Vec<_> = events
                        .iter()
                        .zip(&received.outcomes)
                        .filter(|(_, of)| **of == outcome)
                        .map(|(event, _)| event.id.as_str())
                        .collect();
                    store::event::finish(tx, &ids, outcome.state(), now).await?;
                }
                Ok(received)
            }
            .boxed()
        })
        .await?;
    app.changes.tell_committed(&app.store, received.changed);
    Ok(received.outcomes)
}

/// Reads the object of these events from Stripe, once for all of them.
async fn ask(app: &App, kind: Kind, events: Claimed) -> store::Result<()> {
    let now = app.clock.now();
    let Some(id) = events
        .first()
        .and_then(|(_, event)| event.object_id.clone())
    else {
        return Ok(());
    };
    if !app.permissions.may_read(kind, now) {
        return take_as_they_are(app, events).await;
    }
    if let Some(rest) = app.stripe.rest() {
        let later = now + 1 + i64::try_from(rest.as_secs()).unwrap_or(i64::MAX);
        return postpone(app, events, later).await;
    }
    match refetch::fetch(&app.stripe, kind, &id).await {
        Ok(fetched) => keep(app, kind, id, fetched, events).await,
        Err(error) if error.is_not_allowed() => {
            tracing::warn!(%error, ?kind, "the key may not read this; events are taken as they are");
            app.permissions.refuse(kind, now);
            take_as_they_are(app, events).await
        }
        // The object no longer exists at Stripe, so the events are the only source.
        Err(error) if error.is_not_there() => take_as_they_are(app, events).await,
        Err(error) => fail_all(app, &events, &error.to_string()).await,
    }
}

async fn keep(
    app: &App,
    kind: Kind,
    id: String,
    fetched: Fetched,
    mut events: Claimed,
) -> store::Result<()> {
    let newest = events.iter().map(|(_, event)| event.created).max();
    let newest = newest.unwrap_or_default();
    let now = app.clock.now();
    if newest.saturating_sub(fetched.as_of) > TOO_FAR_AHEAD {
        tracing::warn!(object = id, "an event of the future is taken as it is");
        for (_, event) in &mut events {
            mirror::complete(&mut event.object, &fetched.object);
        }
        return take_as_they_are(app, events).await;
    }
    // A read in the same second as the event may have happened before it.
    if fetched.as_of <= newest {
        return postpone(app, events, now + SOON).await;
    }
    let as_of = fetched.as_of;
    if !refetch::keep(app, fetched).await? {
        return fail_all(app, &events, "Stripe's answer is not what was asked for").await;
    }
    app.store
        .write(move |tx| {
            async move {
                // A product, a price and a coupon may have the same id.
                let mut unsettled = store::event::unsettled_before(tx, &id, as_of).await?;
                unsettled.retain(|(_, r#type)| Kind::of_type(r#type) == Some(kind));
                let ids: Vec<_> = unsettled.iter().map(|(id, _)| id.as_str()).collect();
                store::event::finish(tx, &ids, Outcome::Applied.state(), now).await
            }
            .boxed()
        })
        .await
}

async fn take_as_they_are(app: &App, events: Claimed) -> store::Result<()> {
    let events = events.into_iter().map(|(_, event)| event).collect();
    settle(app, events, Doubt::Settle).await.map(drop)
}

async fn postpone(app: &App, events: Claimed, due_at: i64) -> store::Result<()> {
    let Some(claimed) = events.first().and_then(|(row, _)| row.due_at) else {
        return Ok(());
    };
    app.store
        .write(move |tx| {
            async move {
                let ids: Vec<_> = events.iter().map(|(row, _)| row.id.as_str()).collect();
                store::event::postpone(tx, &ids, claimed, due_at).await
            }
            .boxed()
        })
        .await
}

async fn fail_all(app: &App, events: &Claimed, error: &str) -> store::Result<()> {
    for (row, _) in events {
        record_failure(app, row, error, false).await?;
    }
    Ok(())
}

/// Schedules a retry with backoff, or marks the event dead after the last try.
async fn record_failure(app: &App, row: &Row, error: &str, is_final: bool) -> store::Result<()> {
    let error = masked(error);
    let now = app.clock.now();
    let tried_for = now - row.tried_since.unwrap_or(row.received_at);
    let is_dead = is_final || row.attempts >= MOST_ATTEMPTS || tried_for >= LONGEST;
    let due_at = (!is_dead).then(|| now + pause(row.attempts));
    if is_dead {
        tracing::error!(
            event = row.id,
            error,
            "an event is dead: see `billhook events`"
        );
    } else {
        tracing::warn!(
            event = row.id,
            error,
            attempts = row.attempts,
            "an event failed"
        );
    }
    let (id, until) = (row.id.clone(), row.due_at);
    app.store
        .write(move |tx| {
            async move { store::event::fail(tx, &id, until, &error, due_at).await }.boxed()
        })
        .await
}

/// Exponential backoff with jitter, in seconds: 5, 15, 45 and so on up to 16 hours. Twelve tries take about two days.
pub fn pause(attempts: i64) -> i64 {
    i64::try_from(BETWEEN_TRIES.pause(attempts).as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_some_hours_and_twelve_of_them_take_about_two_days() {
        assert!((3..=6).contains(&pause(1)));
        let all: i64 = (1..MOST_ATTEMPTS).map(pause).sum();
        assert!((24 * 60 * 60..LONGEST).contains(&all), "{all}");
        assert!(pause(i64::MAX) <= 16 * 60 * 60 * 5 / 4);
    }
}
