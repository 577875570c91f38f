//! Which of several events of one customer and one Stripe second came last. Stripe's times are whole
//! seconds and its deliveries come in any order, so the events themselves are asked: what an update
//! calls previous, put back into its object, is what the event before it left. The order is the one
//! in which each begins where the one before ended.
//!
//! The answer depends on the events alone, never on which came first. Where they leave it open the
//! greatest id counts: arbitrary, but the same for everybody.

use crate::stripe::{Event, event::Customer};

/// Orders of more events than this are not searched.
const MOST_SEARCHED: usize = 7;

/// The last of `events`, all of one second, after `earlier`, the last event of the seconds before.
pub fn last(earlier: Option<Event>, mut events: Vec<Event>) -> Option<Event> {
    if events.len() < 2 {
        return events.pop().or(earlier);
    }
    let is_update = |event: &Event| event.r#type == "customer.updated";
    let creation = events
        .iter()
        .position(|event| !is_update(event))
        .map(|at| events.remove(at));
    let start = creation
        .or(earlier)
        .and_then(|event| Customer::read(&event.object));
    let steps: Vec<_> = events
        .iter()
        .map(|event| (before(event), Customer::read(&event.object)))
        .collect();
    let mut ends = Vec::new();
    if steps.len() <= MOST_SEARCHED {
        search(start.as_ref(), &steps, &mut Vec::new(), &mut ends);
    }
    let is_candidate = |index: &usize| ends.is_empty() || ends.contains(index);
    let candidates = (0..events.len()).filter(is_candidate);
    let last = candidates.max_by(|a, b| events[*a].id.cmp(&events[*b].id))?;
    Some(events.swap_remove(last))
}

/// What an update changes from and to, where both can be read.
type Step = (Option<Customer>, Option<Customer>);

/// Collects the last step of every order in which each step begins where the one before ended, and
/// the first at `at`, if that is known.
fn search(at: Option<&Customer>, steps: &[Step], taken: &mut Vec<usize>, ends: &mut Vec<usize>) {
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

/// The customer as it was before an update: its object with the previous values put back.
fn before(event: &Event) -> Option<Customer> {
    let mut object = event.object.clone();
    for (key, value) in event.previous.as_object()? {
        object.as_object_mut()?.insert(key.clone(), value.clone());
    }
    Customer::read(&object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn update(id: &str, from: &str, to: &str) -> Event {
        let body = json!({
            "id": id, "type": "customer.updated", "created": 10,
            "data": {
                "object": { "id": "cus_1", "object": "customer", "name": to },
                "previous_attributes": { "name": from },
            },
        });
        Event::parse(body.to_string().as_bytes()).unwrap()
    }

    fn creation(name: &str) -> Event {
        let mut event = update("evt_0", "", name);
        event.r#type = "customer.created".to_owned();
        event.previous = Value::Null;
        event
    }

    fn last_name(earlier: Option<Event>, events: Vec<Event>) -> String {
        let last = last(earlier, events).unwrap();
        Customer::read(&last.object)
            .and_then(|customer| customer.name)
            .unwrap_or_default()
    }

    #[test]
    fn a_change_and_back_is_told_by_what_was_before() {
        let there_and_back = || vec![update("evt_1", "A", "B"), update("evt_2", "B", "A")];
        assert_eq!(last_name(Some(creation("A")), there_and_back()), "A");
        assert_eq!(last_name(Some(creation("B")), there_and_back()), "B");
        let round = vec![
            update("evt_9", "A", "B"),
            update("evt_1", "B", "C"),
            update("evt_5", "C", "A"),
        ];
        assert_eq!(last_name(Some(creation("A")), round.clone()), "A");
        assert_eq!(last_name(Some(creation("B")), round), "B");
    }

    #[test]
    fn a_creation_comes_before_the_updates_of_its_second() {
        let events = vec![
            update("evt_1", "B", "C"),
            creation("A"),
            update("evt_2", "A", "B"),
        ];
        assert_eq!(last_name(None, events), "C");
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
                "C"
            );
        }
    }
}
