//! Tie-breaking: which of several events of one object in one Stripe second came last. Stripe's times are whole seconds and its
//! deliveries come in any order, so the order is derived from the events' content. An update carries its previous values; put
//! back into the object, they give the state that the event before it left. The right order is the chain in which each update
//! begins where the one before ended. Events without previous values only carry a state; for these the object's progress in
//! its life cycle decides (a draft does not follow a paid invoice).
//!
//! The answer is deterministic: it depends on the events alone, never on the order of arrival. Where they are ambiguous the
//! greatest id wins, which is arbitrary but the same in every process.

use serde_json::Value;

use super::mirror::{Noun, state};
use crate::stripe::Event;

/// The most events whose orders are searched, because the number of orders grows factorially.
const MOST_SEARCHED: usize = 7;

/// The last of some events.
#[derive(Clone, Debug, PartialEq)]
pub struct Last {
    pub event: Event,
    /// The events are ambiguous and the candidates differ. Only a read from Stripe can tell.
    pub is_open: bool,
}

/// The states before and after an update, where they can be read.
type Step<M> = (Option<M>, Option<M>);

/// The last of `events`, all of one second. `earlier` is the last event of the seconds before.
pub fn last<M: Noun>(earlier: Option<Event>, mut events: Vec<Event>) -> Option<Last> {
    if events.len() < 2 {
        let event = events.pop().or(earlier)?;
        return Some(Last {
            event,
            is_open: false,
        });
    }
    let ending = events
        .iter()
        .filter(|event| event.r#type.ends_with(".deleted"))
        .max_by(|a, b| a.id.cmp(&b.id));
    if let Some(event) = ending.cloned() {
        return Some(Last {
            event,
            is_open: false,
        });
    }
    let is_creation = |event: &&Event| event.r#type.ends_with(".created");
    let start = events
        .iter()
        .find(is_creation)
        .or(earlier.as_ref())
        .and_then(state::<M>);
    let (updates, others): (Vec<_>, Vec<_>) =
        events.iter().partition(|event| event.previous.is_object());
    let steps: Vec<Step<M>> = updates
        .iter()
        .map(|event| (before(event), state(event)))
        .collect();
    let ends = ends(start.as_ref(), &steps);
    // A state that an update began with or led to is not the last one, except at the end of the chain.
    let is_passed = |what: &Option<M>| {
        *what == start && !steps.is_empty()
            || steps.iter().any(|(from, to)| from == what || to == what)
    };
    let loose = others
        .into_iter()
        .filter(|event| !is_passed(&state::<M>(event)));
    let ends = ends.into_iter().filter_map(|index| updates.get(index));
    let mut candidates: Vec<(u8, &Event, Option<M>)> = ends
        .copied()
        .chain(loose)
        .map(|event| {
            let state = state::<M>(event);
            (state.as_ref().map_or(0, M::progress), event, state)
        })
        .collect();
    let furthest = candidates.iter().map(|(progress, ..)| *progress).max()?;
    candidates.retain(|(progress, ..)| *progress == furthest);
    candidates.sort_by(|(_, a, _), (_, b, _)| a.id.cmp(&b.id));
    let (_, event, what) = candidates.last()?;
    Some(Last {
        is_open: candidates.iter().any(|(_, _, other)| other != what),
        event: (*event).clone(),
    })
}

/// The updates that can be the last: from the orders that begin at `start`, else from all orders in which each update begins
/// where the one before ended, else any update.
fn ends<M: Noun>(start: Option<&M>, steps: &[Step<M>]) -> Vec<usize> {
    let mut ends = Vec::new();
    if steps.len() <= MOST_SEARCHED {
        search(start, steps, &mut Vec::new(), &mut ends);
        if ends.is_empty() {
            search(None, steps, &mut Vec::new(), &mut ends);
        }
    }
    if ends.is_empty() {
        ends = (0..steps.len()).collect();
    }
    ends.sort_unstable();
    ends.dedup();
    ends
}

fn search<M: Noun>(
    at: Option<&M>,
    steps: &[Step<M>],
    taken: &mut Vec<usize>,
    ends: &mut Vec<usize>,
) {
    if taken.len() == steps.len() {
        ends.extend(taken.last());
        return;
    }
    for (index, (from, to)) in steps.iter().enumerate() {
        let fits = at.is_none() || at == from.as_ref();
        if fits && !taken.contains(&index) {
            taken.push(index);
            search(to.as_ref(), steps, taken, ends);
            taken.pop();
        }
    }
}

/// The object before an update: with the previous values put back.
fn before<M: Noun>(event: &Event) -> Option<M> {
    let mut event = event.clone();
    let previous = std::mem::take(&mut event.previous);
    put_back(&mut event.object, &previous);
    state(&event)
}

/// Stripe lists the changed fields of a map one by one, so a previous map is merged into the present one. A field that the
/// update added has the previous value null.
fn put_back(object: &mut Value, previous: &Value) {
    let (Value::Object(object), Value::Object(previous)) = (object, previous) else {
        return;
    };
    for (key, value) in previous {
        match object.get_mut(key) {
            Some(inner) if inner.is_object() && value.is_object() => put_back(inner, value),
            _ if value.is_null() => {
                object.remove(key);
            }
            _ => {
                object.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        customer::Customer,
        mirror::{Invoice, PaymentIntent},
    };
    use serde_json::{Value, json};

    fn event(id: &str, r#type: &str, object: Value, previous: Value) -> Event {
        let body = json!({
            "id": id, "type": r#type, "created": 10,
            "data": { "object": object, "previous_attributes": previous },
        });
        Event::parse(body.to_string().as_bytes()).unwrap()
    }

    fn update(id: &str, from: &str, to: &str) -> Event {
        let object = json!({ "id": "cus_1", "object": "customer", "name": to });
        event(id, "customer.updated", object, json!({ "name": from }))
    }

    fn creation(name: &str) -> Event {
        let object = json!({ "id": "cus_1", "object": "customer", "name": name });
        event("evt_0", "customer.created", object, Value::Null)
    }

    fn last_name(earlier: Option<Event>, events: Vec<Event>) -> (String, bool) {
        let last = last::<Customer>(earlier, events).unwrap();
        let name = state::<Customer>(&last.event).and_then(|customer| customer.name);
        (name.unwrap_or_default(), last.is_open)
    }

    fn sure(name: &str) -> (String, bool) {
        (name.to_owned(), false)
    }

    #[test]
    fn a_change_and_back_is_told_by_what_was_before() {
        let there_and_back = || vec![update("evt_1", "A", "B"), update("evt_2", "B", "A")];
        assert_eq!(last_name(Some(creation("A")), there_and_back()), sure("A"));
        assert_eq!(last_name(Some(creation("B")), there_and_back()), sure("B"));
        assert!(last_name(None, there_and_back()).1, "nothing tells");
        let round = vec![
            update("evt_9", "A", "B"),
            update("evt_1", "B", "C"),
            update("evt_5", "C", "A"),
        ];
        assert_eq!(last_name(Some(creation("A")), round.clone()), sure("A"));
        assert_eq!(last_name(Some(creation("B")), round), sure("B"));
    }

    #[test]
    fn a_creation_comes_before_the_updates_of_its_second() {
        let events = vec![
            update("evt_1", "B", "C"),
            creation("A"),
            update("evt_2", "A", "B"),
        ];
        assert_eq!(last_name(None, events), sure("C"));
    }

    #[test]
    fn an_order_is_found_though_the_event_before_is_missing() {
        let events = vec![update("evt_9", "B", "C"), update("evt_1", "C", "D")];
        assert_eq!(last_name(Some(creation("A")), events), sure("D"));
    }

    #[test]
    fn what_the_events_leave_open_is_decided_alike_in_every_order() {
        let open = [
            update("evt_1", "X", "B"),
            update("evt_3", "Y", "C"),
            update("evt_2", "Z", "D"),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            assert_eq!(
                last_name(None, order.map(|index| open[index].clone()).to_vec()),
                ("C".to_owned(), true)
            );
        }
    }

    #[test]
    fn of_events_that_only_say_what_was_the_furthest_counts() {
        let invoice = |id: &str, r#type: &str, status: &str| {
            let object = json!({ "id": "in_1", "object": "invoice", "status": status });
            event(id, r#type, object, Value::Null)
        };
        let events = [
            invoice("evt_9", "invoice.created", "draft"),
            invoice("evt_1", "invoice.paid", "paid"),
            invoice("evt_5", "invoice.finalized", "open"),
            invoice("evt_2", "invoice.payment_succeeded", "paid"),
        ];
        let last = last::<Invoice>(None, events.to_vec()).unwrap();
        assert_eq!((last.event.id.as_str(), last.is_open), ("evt_2", false));
    }

    #[test]
    fn a_payment_that_was_processing_may_have_failed_since() {
        let payment = |id: &str, r#type: &str, status: &str| {
            let object = json!({ "id": "pi_1", "object": "payment_intent", "status": status });
            event(id, r#type, object, Value::Null)
        };
        let events = [
            payment("evt_2", "payment_intent.processing", "processing"),
            payment(
                "evt_1",
                "payment_intent.payment_failed",
                "requires_payment_method",
            ),
        ];
        assert!(
            last::<PaymentIntent>(None, events.to_vec())
                .unwrap()
                .is_open
        );
        let paid = payment("evt_0", "payment_intent.succeeded", "succeeded");
        let all = [&events[..], &[paid]].concat();
        let last = last::<PaymentIntent>(None, all).unwrap();
        assert_eq!((last.event.id.as_str(), last.is_open), ("evt_0", false));
    }

    #[test]
    fn an_update_beside_events_that_only_say_what_was() {
        let object = |status: &str, attempts: i64| json!({ "id": "in_1", "object": "invoice", "status": status, "attempt_count": attempts });
        let events = vec![
            event("evt_9", "invoice.finalized", object("open", 0), Value::Null),
            event(
                "evt_1",
                "invoice.updated",
                object("paid", 1),
                json!({ "status": "open", "attempt_count": 0 }),
            ),
            event("evt_0", "invoice.paid", object("paid", 1), Value::Null),
        ];
        let last = last::<Invoice>(None, events).unwrap();
        assert_eq!((last.event.id.as_str(), last.is_open), ("evt_1", false));
    }

    #[test]
    fn fields_of_a_map_are_put_back_one_by_one() {
        let mut object = json!({ "metadata": { "a": "2", "b": "1", "c": "1" }, "name": "x" });
        put_back(
            &mut object,
            &json!({ "metadata": { "a": "1", "c": null }, "name": null }),
        );
        assert_eq!(object, json!({ "metadata": { "a": "1", "b": "1" } }));
    }
}
