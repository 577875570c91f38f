//! From an event to the mirror: the ordering rule, in one place.
//!
//! Each mirrored row keeps `stripe_at`, the Stripe second that last wrote it. An older event is
//! stale. A newer one is written. Deleted is final. Events of one second are put in order by what
//! they say themselves: see [`tie`](super::tie). So any set of events, in any order and with any
//! repetition, ends in the same rows.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use super::{email, tie};
use crate::{
    store::{self, Tx, customer::Customer},
    stripe::{Event, event},
};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is now what the row says.
    Applied,
    /// The row says something newer.
    Stale,
    /// Nothing here is about it; it is kept in the log.
    Ignored,
    /// It was stored before, and nothing was done.
    Duplicate,
}

/// The outcome of each event, in their order, and the normalised addresses whose customers changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub outcomes: Vec<Outcome>,
    pub changed: BTreeSet<String>,
}

/// Stores the events and applies them, in the caller's transaction: a few statements for all of
/// them, however many they are.
pub async fn receive(
    tx: &mut Tx,
    events: &[Event],
    livemode: bool,
    now: i64,
) -> store::Result<Received> {
    let customers: Vec<_> = events
        .iter()
        .map(|event| mirrored_customer(event, livemode))
        .collect();
    let ids: Vec<_> = customers
        .iter()
        .flatten()
        .map(|customer| customer.id.as_str())
        .collect();
    tx.lock(&ids).await?;
    let rows: Vec<_> = events
        .iter()
        .zip(&customers)
        .map(|(event, customer)| {
            row(
                event,
                if customer.is_some() {
                    "applied"
                } else {
                    "ignored"
                },
                now,
            )
        })
        .collect();
    let mut new: BTreeSet<_> = store::event::insert_all(tx, &rows)
        .await?
        .into_iter()
        .collect();
    let before: BTreeMap<_, _> = store::customer::find_all(tx, &ids)
        .await?
        .into_iter()
        .map(|row| (row.id.clone(), row))
        .collect();

    let mut after = before.clone();
    let mut outcomes = Vec::with_capacity(events.len());
    for (event, customer) in events.iter().zip(&customers) {
        outcomes.push(match customer {
            // Removed, so that the second of two with one id is a duplicate.
            _ if !new.remove(&event.id) => Outcome::Duplicate,
            None => Outcome::Ignored,
            Some(customer) => {
                let next = match decide(after.get(&customer.id), event, customer) {
                    Decision::Write(next) => Some(next),
                    Decision::Keep => None,
                    Decision::Look(second) => last_snapshot(tx, &customer.id, second).await?,
                };
                // After a tie it may be another event of that second that the row says.
                let is_applied = next.as_ref() == Some(&snapshot(event, customer));
                after.extend(next.map(|row| (row.id.clone(), row)));
                if is_applied {
                    Outcome::Applied
                } else {
                    Outcome::Stale
                }
            }
        });
    }

    let stale = events
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome == Outcome::Stale);
    let stale: Vec<_> = stale.map(|(event, _)| event.id.as_str()).collect();
    store::event::set_state(tx, &stale, "stale").await?;
    let changed: Vec<_> = after
        .values()
        .filter(|row| before.get(&row.id) != Some(row))
        .collect();
    store::customer::put_all(tx, &changed).await?;
    let addresses = changed
        .iter()
        .flat_map(|row| [Some(*row), before.get(&row.id)]);
    let changed = addresses
        .flatten()
        .filter_map(|row| row.email_normalised.clone())
        .collect();
    Ok(Received { outcomes, changed })
}

/// What the last of all known events of one customer, up to and with one second, says.
async fn last_snapshot(tx: &mut Tx, id: &str, second: i64) -> store::Result<Option<Customer>> {
    // Back to a second with one event: from there the order of the later ones can be told.
    let mut seconds = Vec::new();
    let mut before = second.saturating_add(1);
    loop {
        let bodies = store::event::of_second_before(tx, id, before).await?;
        let events: Vec<_> = bodies
            .iter()
            .filter_map(|body| Event::parse(body.as_bytes()).ok())
            .collect();
        let Some(first) = events.first() else { break };
        before = first.created;
        let is_base = events.len() == 1;
        seconds.push(events);
        if is_base || seconds.len() == FURTHEST_BACK {
            break;
        }
    }
    let last = seconds.into_iter().rev().fold(None, tie::last);
    Ok(last.and_then(|last| {
        event::Customer::read(&last.object).map(|customer| snapshot(&last, &customer))
    }))
}

/// The customer of an event that is mirrored: one of the three types, of our own account, and of
/// the mode that our key is of.
fn mirrored_customer(event: &Event, livemode: bool) -> Option<event::Customer> {
    let ours = event.account.is_none() && event.livemode == livemode;
    let mirrored = matches!(
        event.r#type.as_str(),
        "customer.created" | "customer.updated" | "customer.deleted"
    );
    (ours && mirrored).then(|| event::Customer::read(&event.object))?
}

/// How many seconds with several events each are looked back through.
const FURTHEST_BACK: usize = 8;

enum Decision {
    Write(Customer),
    Keep,
    /// The log says what the row's last second, this one, came to.
    Look(i64),
}

fn decide(present: Option<&Customer>, event: &Event, customer: &event::Customer) -> Decision {
    let Some(row) = present else {
        return Decision::Write(snapshot(event, customer));
    };
    match (row.deleted_at, is_deletion(event, customer)) {
        // Deletions can differ in their second only when Stripe says it twice: the first counts.
        (Some(at), true) if event.created < at => Decision::Write(snapshot(event, customer)),
        (Some(_), _) => Decision::Keep,
        // Final, however old: nothing that was true before it can be true after it.
        (None, true) => Decision::Write(snapshot(event, customer)),
        (None, false) => match event.created.cmp(&row.stripe_at) {
            Ordering::Greater => Decision::Write(snapshot(event, customer)),
            // The same second; or older, and then stale, but it may be what tells the order of the
            // row's second.
            Ordering::Equal | Ordering::Less => Decision::Look(row.stripe_at),
        },
    }
}

fn is_deletion(event: &Event, customer: &event::Customer) -> bool {
    event.r#type == "customer.deleted" || customer.deleted
}

/// The row that an event would leave. A tombstone holds the id and the time, and nothing personal:
/// that is also what makes it the same whichever event of a deleted customer came first.
fn snapshot(event: &Event, customer: &event::Customer) -> Customer {
    let id = customer.id.clone();
    if is_deletion(event, customer) {
        return Customer {
            id,
            livemode: event.livemode.into(),
            stripe_at: event.created,
            deleted_at: Some(event.created),
            ..Customer::default()
        };
    }
    Customer {
        id,
        email_normalised: customer.email.as_deref().map(email::normalise),
        email: customer.email.clone(),
        name: customer.name.clone(),
        description: customer.description.clone(),
        phone: customer.phone.clone(),
        delinquent: customer.delinquent.into(),
        livemode: event.livemode.into(),
        created: customer.created,
        stripe_at: event.created,
        deleted_at: None,
    }
}

fn row(event: &Event, state: &str, now: i64) -> store::event::Event {
    store::event::Event {
        id: event.id.clone(),
        r#type: event.r#type.clone(),
        object_id: event.object_id(),
        created: event.created,
        livemode: event.livemode.into(),
        api_version: event.api_version.clone(),
        state: state.to_owned(),
        attempts: 1,
        error: None,
        received_at: now,
        processed_at: Some(now),
        payload: event.payload.clone(),
    }
}
