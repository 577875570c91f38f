//! Applies events to the mirror: which noun an event is about, and what it changes. [`order`](super::order) holds the ordering
//! rule for the events of one object.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    changes::Gathered,
    devices, erase,
    mirror::{self, EmbeddedObjects, Kind, Noun, in_embedded, with_noun},
    missing_objects,
    order::{self, Decision},
};
use crate::{
    config::Config,
    mask::{masked, shows},
    store::{self, Tx, event::State, row},
    stripe::Event,
};

/// Which events are mirrored: those of this account and of the key's mode (live or test).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    pub livemode: bool,
    /// See `STRIPE_ACCOUNT`.
    pub account: Option<String>,
}

impl Ours {
    pub fn of(config: &Config) -> Ours {
        Ours {
            livemode: config.livemode(),
            account: config.stripe_account.clone(),
        }
    }
}

/// The result of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The row now holds its content.
    Applied,
    /// The row holds something newer.
    Stale,
    /// It concerns no mirrored object. It is kept in the log.
    Ignored,
    /// The worker has to ask Stripe: the event is truncated or lacks something, or the order of events of one second is ambiguous.
    Pending,
    /// It could not be applied. It is stored and retried.
    Failed,
    /// It was stored before. Nothing was done (idempotent).
    Duplicate,
}

impl Outcome {
    /// The event's `state` in the database.
    pub fn state(self) -> State {
        match self {
            Outcome::Applied | Outcome::Duplicate => State::Applied,
            Outcome::Stale => State::Stale,
            Outcome::Ignored => State::Ignored,
            Outcome::Pending => State::Pending,
            Outcome::Failed => State::Failed,
        }
    }
}

/// The outcome of each event, in the order given, and what changed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Received {
    pub outcomes: Vec<Outcome>,
    pub changed: Gathered,
    /// Objects for which several events of one second were put in order.
    pub tied: BTreeSet<String>,
    /// Addresses that a customer no longer has.
    pub left: BTreeSet<String>,
}

shows!(Received: outcomes, changed, tied);

/// Stores a batch of events and applies them, in the caller's transaction. Idempotent: an event stored before is a duplicate.
/// The number of statements does not grow with the size of the batch.
pub async fn receive(
    tx: &mut Tx,
    events: &[Event],
    ours: &Ours,
    now: i64,
) -> store::Result<Received> {
    let held = lock(tx, events, ours).await?;
    let rows: Vec<_> = events
        .iter()
        .map(|event| match erase::is_about(&held.erased, event) {
            true => empty_row(event, kind(event, ours), now),
            false => row(event, kind(event, ours), now),
        })
        .collect();
    let mut new: BTreeSet<_> = store::event::insert_all(tx, &rows)
        .await?
        .into_iter()
        .collect();
    // Removed, so that the second of two with one id is a duplicate.
    let is_new: Vec<_> = events.iter().map(|event| new.remove(&event.id)).collect();
    let (fresh, stored): (Vec<_>, Vec<_>) = events
        .iter()
        .zip(&rows)
        .zip(&is_new)
        .filter_map(|(both, is_new)| is_new.then_some(both))
        .unzip();
    let applied = apply_held(&held, tx, &fresh, ours, Doubt::Ask, now).await?;
    // A late event, or one of several in a second, may settle pending events. Make those due now.
    let late = fresh
        .iter()
        .zip(&applied.outcomes)
        .filter(|(_, outcome)| matches!(outcome, Outcome::Stale | Outcome::Pending))
        .filter_map(|(event, _)| event.object_id.as_deref());
    let late: Vec<_> = late
        .chain(applied.tied.iter().map(String::as_str))
        .collect();
    store::event::hurry(tx, &late, now).await?;
    devices::end_orphans(tx, &applied.left, ours.livemode, now).await?;
    for outcome in [Outcome::Stale, Outcome::Ignored, Outcome::Pending] {
        let ids: Vec<_> = stored
            .iter()
            .zip(&applied.outcomes)
            .filter(|(row, of)| **of == outcome && row.state != outcome.state())
            .map(|(row, _)| row.id.as_str())
            .collect();
        let due = (outcome == Outcome::Pending).then_some(now);
        store::event::set_state(tx, &ids, outcome.state(), due).await?;
    }
    let mut came_to = applied.outcomes.iter().copied();
    let outcomes = is_new
        .into_iter()
        .map(|is_new| is_new.then(|| came_to.next()).flatten())
        .map(|outcome| outcome.unwrap_or(Outcome::Duplicate))
        .collect();
    Ok(Received {
        outcomes,
        ..applied
    })
}

/// Stores an event that could not be applied, so that it is retried at `due_at`.
pub async fn store_failed(
    tx: &mut Tx,
    event: &Event,
    error: &str,
    now: i64,
    due_at: i64,
) -> store::Result<Outcome> {
    let erased = erase::among_events(tx, std::slice::from_ref(event)).await?;
    let (row, outcome) = if erase::is_about(&erased, event) {
        (empty_row(event, None, now), Outcome::Ignored)
    } else {
        let row = store::event::Event {
            state: State::Failed,
            error: Some(masked(error)),
            processed_at: None,
            due_at: Some(due_at),
            ..row(event, None, now)
        };
        (row, Outcome::Failed)
    };
    let stored = store::event::insert_all(tx, &[row]).await?;
    Ok(if stored.is_empty() {
        Outcome::Duplicate
    } else {
        outcome
    })
}

/// What to do with an event that requires a read from Stripe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// Leave the event pending.
    #[default]
    Ask,
    /// Stripe cannot be asked: use the events as they are, as far as they go.
    Settle,
}

/// Applies stored events, in the caller's transaction.
pub async fn apply(
    tx: &mut Tx,
    events: &[Event],
    ours: &Ours,
    doubt: Doubt,
    now: i64,
) -> store::Result<Received> {
    let held = lock(tx, events, ours).await?;
    let events: Vec<_> = events.iter().collect();
    apply_held(&held, tx, &events, ours, doubt, now).await
}

/// Like [`apply`], for events whose objects are locked.
async fn apply_held(
    held: &Held,
    tx: &mut Tx,
    events: &[&Event],
    ours: &Ours,
    doubt: Doubt,
    now: i64,
) -> store::Result<Received> {
    let mut by_kind = BTreeMap::<Kind, Vec<(usize, &Event)>>::new();
    let mut outcomes = vec![Outcome::Ignored; events.len()];
    for ((index, event), outcome) in events.iter().enumerate().zip(&mut outcomes) {
        match kind(event, ours) {
            Some(_) if erase::is_about(&held.erased, event) => *outcome = Outcome::Stale,
            Some(kind) => by_kind.entry(kind).or_default().push((index, event)),
            None => {}
        }
    }
    let mut work = Work {
        doubt,
        outcomes,
        ..Work::default()
    };
    for (kind, events) in by_kind {
        with_noun!(kind, Noun => work.apply::<Noun>(tx, &events).await?);
    }
    put_sightings(tx, events, &work.outcomes, held).await?;
    let ours: Vec<_> = events
        .iter()
        .copied()
        .filter(|event| is_ours(event, ours) && !erase::is_about(&held.erased, event))
        .collect();
    missing_objects::note(tx, &ours, now).await?;
    let left = work.changed.take_left();
    Ok(Received {
        outcomes: work.outcomes,
        left,
        changed: work.changed,
        tied: work.tied,
    })
}

/// What is known once the objects of some events are locked.
#[derive(Debug)]
struct Held {
    /// Ids in the events whose objects were erased. Nothing is written about them.
    erased: BTreeSet<String>,
    /// Objects embedded in the events' objects that were not known before. They are locked as well, in the same lock order, so that
    /// two transactions that write them cannot deadlock.
    unknown: BTreeSet<String>,
}

/// Locks the objects of these events, and the embedded objects that they would add, against other transactions.
async fn lock(tx: &mut Tx, events: &[Event], ours: &Ours) -> store::Result<Held> {
    let mirrored: Vec<_> = events
        .iter()
        .filter(|event| kind(event, ours).is_some())
        .collect();
    let unknown = unknown(tx, &mirrored).await?;
    let ids: Vec<_> = mirrored
        .iter()
        .filter_map(|event| event.object_id.as_deref())
        .chain(unknown.iter().map(String::as_str))
        .collect();
    let erased = match store::erased::lock(tx, &ids).await? {
        true => erase::among_events(tx, events).await?,
        false => BTreeSet::new(),
    };
    Ok(Held { erased, unknown })
}

/// The ids of embedded objects of which no better source than an embedding is stored.
async fn unknown(tx: &mut Tx, events: &[&Event]) -> store::Result<BTreeSet<String>> {
    let mut unknown = BTreeSet::new();
    in_embedded!(seen_in(events.iter().copied()), rows => {
        let ids = rows.keys().cloned().collect();
        unknown.extend(unsettled(tx, &rows, ids).await?);
    });
    Ok(unknown)
}

/// [`row::unsettled`] for the type of these rows.
async fn unsettled<N: Noun>(
    tx: &mut Tx,
    _of: &BTreeMap<String, N>,
    ids: BTreeSet<String>,
) -> store::Result<BTreeSet<String>> {
    row::unsettled::<N>(tx, ids, N::SETTLED).await
}

/// The objects embedded in the objects of these events.
fn seen_in<'e>(events: impl Iterator<Item = &'e Event>) -> EmbeddedObjects {
    let mut seen = EmbeddedObjects::default();
    for event in events.filter(|event| !mirror::is_deletion(event)) {
        seen.gather(&event.object, event.livemode.into(), event.created);
    }
    seen
}

fn is_ours(event: &Event, ours: &Ours) -> bool {
    event.account.is_none()
        && event.livemode == ours.livemode
        && (event.context.is_none() || event.context == ours.account)
}

/// The noun of a mirrored event: of this account, of the key's mode, and about an object that has an id.
pub fn kind(event: &Event, ours: &Ours) -> Option<Kind> {
    let is_one = is_ours(event, ours) && event.object_id.is_some();
    Kind::of_type(&event.r#type).filter(|_| is_one)
}

#[derive(Default)]
struct Work {
    doubt: Doubt,
    outcomes: Vec<Outcome>,
    changed: Gathered,
    tied: BTreeSet<String>,
}

impl Work {
    /// Applies events of one noun. Each comes with its index in the outcomes.
    async fn apply<M: Noun>(
        &mut self,
        tx: &mut Tx,
        events: &[(usize, &Event)],
    ) -> store::Result<()> {
        let snapshots: Vec<_> = events
            .iter()
            .filter_map(|(index, event)| Some((*index, *event, order::snapshot::<M>(event)?)))
            .collect();
        let ids: BTreeSet<_> = snapshots.iter().map(|(_, _, next)| next.id()).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let before: BTreeMap<_, _> = M::load(tx, &ids)
            .await?
            .into_iter()
            .map(|row| (row.id().to_owned(), row))
            .collect();
        let mut after = before.clone();
        for (index, event, snapshot) in &snapshots {
            let asks = self.doubt == Doubt::Ask;
            let decision = if asks && mirror::is_cut(&event.object) {
                Decision::Guess(None)
            } else {
                let present = after.get(snapshot.id());
                if present.is_some_and(|row| row.stripe_at() == event.created) {
                    self.tied.extend(event.object_id.clone());
                }
                order::decide(tx, present, event, snapshot.clone()).await?
            };
            let is_part = snapshot.lacks_something(after.get(snapshot.id()));
            let (next, sure) = match decision {
                Decision::Write(next) => (Some(next), true),
                Decision::Keep => (None, true),
                Decision::Guess(next) => (next, !asks),
            };
            // After a tie the row may hold another event of the same second.
            let is_applied = next.as_ref().is_some_and(|row| says(row, snapshot));
            let next = next.map(|row| match after.get(row.id()) {
                Some(known) if M::KEEPS || row.deleted_at().is_none() => row.completed(known),
                _ => row,
            });
            after.extend(next.map(|row| (row.id().to_owned(), row)));
            if let Some(outcome) = self.outcomes.get_mut(*index) {
                // Part of it is missing and Stripe has to be asked. Until then the known part is written.
                *outcome = match (sure && !(asks && is_part), is_applied) {
                    (false, _) => Outcome::Pending,
                    (true, true) => Outcome::Applied,
                    (true, false) => Outcome::Stale,
                };
            }
        }
        let changed: Vec<_> = after
            .values()
            .filter(|row| before.get(row.id()) != Some(row))
            .collect();
        M::save(tx, &changed).await?;
        for row in changed {
            self.changed.note_change(before.get(row.id()), row);
        }
        Ok(())
    }
}

/// Whether a row holds the state of that snapshot.
fn says<M: Noun>(row: &M, snapshot: &M) -> bool {
    let is_its_deletion =
        snapshot.deleted_at().is_some() && row.deleted_at() == snapshot.deleted_at();
    let with_its_fields = || snapshot.clone().with_deleted_at(row.deleted_at()) == *row;
    row == snapshot || M::KEEPS && (is_its_deletion || with_its_fields())
}

/// Stores objects embedded in the events' objects, where no better source is known. Even a stale event counts: what it holds
/// was true in its second.
async fn put_sightings(
    tx: &mut Tx,
    events: &[&Event],
    outcomes: &[Outcome],
    held: &Held,
) -> store::Result<()> {
    if held.unknown.is_empty() {
        return Ok(());
    }
    let mirrored = events
        .iter()
        .zip(outcomes)
        .filter(|(event, outcome)| {
            **outcome != Outcome::Ignored && !erase::is_about(&held.erased, event)
        })
        .map(|(event, _)| *event);
    let may = |id: &str| held.unknown.contains(id) && !held.erased.contains(id);
    seen_in(mirrored).put(tx, may).await
}

fn row(event: &Event, kind: Option<Kind>, now: i64) -> store::event::Event {
    let state = match kind {
        Some(_) => State::Applied,
        None => State::Ignored,
    };
    store::event::Event {
        id: event.id.clone(),
        r#type: event.r#type.clone(),
        object_id: event.object_id.clone(),
        customer_id: event.customer_id(),
        created: event.created,
        livemode: event.livemode.into(),
        api_version: event.api_version.clone(),
        state,
        attempts: 1,
        error: None,
        received_at: now,
        processed_at: Some(now),
        due_at: None,
        tried_since: None,
        payload: event.payload.clone(),
    }
}

/// The stored row of an event about an erased customer: it records only that the event came, without its payload.
fn empty_row(event: &Event, kind: Option<Kind>, now: i64) -> store::event::Event {
    let row = row(event, kind, now);
    store::event::Event {
        state: kind.map_or(row.state, |_| State::Stale),
        payload: String::new(),
        ..row
    }
}
