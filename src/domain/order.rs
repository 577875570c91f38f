//! The ordering rule for the events of one object, for every noun.
//!
//! Each mirrored row keeps `stripe_at`, the Stripe second of its last write. An older event is stale and changes nothing. A newer
//! event is written. A deletion is final and leaves a tombstone. [`tie`](super::tie) orders events of the same second by their
//! content. An object read from Stripe counts as of the second of the request. Some nouns keep their fields in the tombstone:
//! for these the deletion is final, and their fields are ordered as usual.
//!
//! The rule is idempotent and independent of the order of delivery: any set of events, in any order, with duplicates and with
//! reads from Stripe in between, ends in the same rows.

use std::cmp::Ordering;

use super::{
    mirror::{self, Kind, Noun, state},
    tie::{self, Last},
};
use crate::{
    store::{self, Tx},
    stripe::Event,
};

/// The most seconds with several events each that are searched backwards for a definite starting point.
const FURTHEST_BACK: usize = 8;

/// What to do with an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision<M> {
    Write(M),
    Keep,
    /// The events do not tell which came last. This is a guess, and the worker has to ask Stripe.
    Guess(Option<M>),
}

/// The row that the event would leave. `None` when its object cannot be read.
pub fn snapshot<M: Noun>(event: &Event) -> Option<M> {
    let livemode = event.livemode.into();
    let whole = || state::<M>(event).map(|state| state.stamped(livemode, event.created));
    if !mirror::is_deletion(event) {
        return whole();
    }
    if M::KEEPS && !mirror::is_bare(&event.object) {
        return whole().map(|state| state.with_deleted_at(Some(event.created)));
    }
    let id = event.object.get("id")?.as_str()?;
    Some(M::gone(id, livemode, event.created))
}

/// Decides what `next`, the snapshot of `event`, does to the present row.
pub async fn decide<M: Noun>(
    tx: &mut Tx,
    present: Option<&M>,
    event: &Event,
    next: M,
) -> store::Result<Decision<M>> {
    if M::KEEPS {
        return decide_kept(tx, present, event, next).await;
    }
    let is_only_seen = |row: &&M| row.seen_at().is_some();
    let Some(row) = present.filter(|row| !is_only_seen(row)) else {
        return Ok(Decision::Write(next));
    };
    Ok(match (row.deleted_at(), next.deleted_at()) {
        // Two deletions differ in their second only when Stripe reports a deletion twice. The earlier one counts.
        (Some(at), Some(_)) if event.created < at => Decision::Write(next),
        (Some(_), _) => Decision::Keep,
        // A deletion is final, however old: no earlier state can be true after it.
        (None, Some(_)) => Decision::Write(next),
        (None, None) => match event.created.cmp(&row.stripe_at()) {
            Ordering::Greater => Decision::Write(next),
            // The same second; or older, and then stale, but it may be what tells the order of the
            // row's second.
            Ordering::Equal | Ordering::Less => last_of_second(tx, event, row.stripe_at()).await?,
        },
    })
}

/// Like [`decide`], for a noun whose tombstones keep the last known fields.
async fn decide_kept<M: Noun>(
    tx: &mut Tx,
    present: Option<&M>,
    event: &Event,
    next: M,
) -> store::Result<Decision<M>> {
    let Some(row) = present else {
        return Ok(Decision::Write(next));
    };
    let deletions = [row.deleted_at(), next.deleted_at()];
    let deleted_at = deletions.into_iter().flatten().min();
    let fields = if is_bare(event) {
        Decision::Keep
    } else if row.seen_at().is_some() || event.created > row.stripe_at() {
        Decision::Write(next)
    } else {
        last_of_second(tx, event, row.stripe_at()).await?
    };
    let buried = |row: M| row.with_deleted_at(deleted_at);
    Ok(match fields {
        Decision::Write(fields) => Decision::Write(buried(fields)),
        Decision::Guess(fields) => Decision::Guess(fields.map(buried)),
        Decision::Keep if row.deleted_at() != deleted_at => Decision::Write(buried(row.clone())),
        Decision::Keep => Decision::Keep,
    })
}

/// Whether the event says only that its object was deleted.
fn is_bare(event: &Event) -> bool {
    mirror::is_deletion(event) && mirror::is_bare(&event.object)
}

/// Returns what the last event of that second says, among all stored events of the same object.
async fn last_of_second<M: Noun>(
    tx: &mut Tx,
    event: &Event,
    second: i64,
) -> store::Result<Decision<M>> {
    let Some(object) = &event.object_id else {
        return Ok(Decision::Keep);
    };
    // Go back to a second with a single event: the order of the later events can be derived from there.
    let mut seconds = Vec::new();
    let mut before = second.saturating_add(1);
    loop {
        let bodies = store::event::of_second_before(tx, object, before).await?;
        if bodies.iter().any(String::is_empty) {
            if !seconds.is_empty() {
                break;
            }
            // Payloads were purged, so the events no longer tell the order.
            return Ok(match event.created == second {
                true => Decision::Guess(None),
                false => Decision::Keep,
            });
        }
        let events: Vec<_> = bodies
            .iter()
            .filter_map(|body| Event::parse(body.as_bytes()).ok())
            // A product, a price and a coupon may have the same id.
            .filter(|stored| Kind::of_type(&stored.r#type) == Kind::of_type(&event.r#type))
            .filter(|stored| !(M::KEEPS && is_bare(stored)))
            // Use the event as given: its truncated lists may have been completed since it was stored.
            .map(|stored| {
                if stored.id == event.id {
                    event.clone()
                } else {
                    stored
                }
            })
            .collect();
        let Some(first) = events.first() else { break };
        if seconds.is_empty() && first.created != second {
            // The row holds a newer read from Stripe, which takes precedence.
            return Ok(Decision::Keep);
        }
        before = first.created;
        let is_base = events.len() == 1;
        seconds.push(events);
        if is_base || seconds.len() == FURTHEST_BACK {
            break;
        }
    }
    let last = seconds
        .into_iter()
        .rev()
        .fold(None::<Last>, |last, events| {
            tie::last::<M>(last.map(|last| last.event), events)
        });
    let Some(last) = last else {
        return Ok(Decision::Keep);
    };
    let is_cut = mirror::is_cut(&last.event.object);
    let row = snapshot::<M>(&last.event).filter(|_| !is_cut);
    let is_of_this_second = event.created == second;
    Ok(match row {
        row if (last.is_open || is_cut) && is_of_this_second => Decision::Guess(row),
        Some(row) => Decision::Write(row),
        None => Decision::Keep,
    })
}
