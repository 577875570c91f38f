//! The ordering rule, as a property: for any events of one customer, every order with every
//! repetition ends in the same row. The oracle is the history itself, in which each update really
//! came after the one before. Values are few, so that a name often comes back within a second.

use billhook::{
    domain::{
        mirror::Kind,
        refetch,
        sync::{self, Outcome},
    },
    store::{self, Store, Tx, customer::Customer},
    stripe::Event,
};
use futures::FutureExt;
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{customer_object, event},
};

on_both_engines!(
    checklist_46_every_order_of_a_history_ends_in_the_same_row,
    checklist_46_random_histories_with_duplicates_end_as_they_should,
    checklist_50_pages_of_any_age_in_between_change_nothing_in_the_end,
    checklist_49_deleted_is_final,
);

/// One step of a history: how many seconds later than the step before, and what happens. An update
/// moves the name or the phone on to the next of three values.
#[derive(Clone, Debug)]
enum Step {
    Name(i64),
    Phone(i64),
    Delete(i64),
}

/// The events of a history that begins with a creation, and the row that it ends in.
fn history(id: &str, steps: &[Step]) -> (Vec<Event>, Customer) {
    let (mut at, mut name, mut phone) = (1_700_000_000, 0, 0);
    let object = |name: i32, phone: i32| {
        let mut object = customer_object(id, "Ada@Example.com", &format!("name {name}"));
        object["phone"] = json!(format!("phone {phone}"));
        object
    };
    let mut events = vec![event(
        "customer.created",
        at,
        object(name, phone),
        Value::Null,
    )];
    let mut deleted_at = None;
    for step in steps {
        let (r#type, later, previous) = match step {
            Step::Name(later) => {
                name = (name + 1) % 3;
                let previous = json!({ "name": format!("name {}", (name + 2) % 3) });
                ("customer.updated", later, previous)
            }
            Step::Phone(later) => {
                phone = (phone + 1) % 3;
                let previous = json!({ "phone": format!("phone {}", (phone + 2) % 3) });
                ("customer.updated", later, previous)
            }
            Step::Delete(later) => ("customer.deleted", later, Value::Null),
        };
        at += later;
        events.push(event(r#type, at, object(name, phone), previous));
        if matches!(step, Step::Delete(_)) {
            deleted_at = Some(at);
            break;
        }
    }
    let end = Customer {
        id: id.to_owned(),
        stripe_at: at,
        deleted_at,
        ..Customer::default()
    };
    let end = match deleted_at {
        Some(_) => end,
        None => Customer {
            email: Some("Ada@Example.com".to_owned()),
            email_normalised: Some("ada@example.com".to_owned()),
            name: Some(format!("name {name}")),
            phone: Some(format!("phone {phone}")),
            created: 1_700_000_000,
            ..end
        },
    };
    let parsed = events
        .iter()
        .map(|event| Event::parse(event.to_string().as_bytes()).unwrap());
    (parsed.collect(), end)
}

async fn replay(tx: &mut Tx, events: &[Event], id: &str) -> store::Result<Option<Customer>> {
    // One by one, or some together: that must not matter either.
    for some in events.chunks(events.len() % 3 + 1) {
        sync::receive(tx, some, &sync::Ours::default(), 1_800_000_000).await?;
    }
    store::row::find::<store::customer::Customer>(tx, id).await
}

/// Delivers the events in this order, under ids of their own, and returns the row.
async fn row_after(store: &Store, events: Vec<Event>, id: &str) -> Customer {
    let id = id.to_owned();
    let row = store.write(move |tx| async move { replay(tx, &events, &id).await }.boxed());
    row.await.unwrap().expect("there is a row")
}

async fn checklist_46_every_order_of_a_history_ends_in_the_same_row(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let histories: [&[Step]; 3] = [
        // Two updates in one second, and a deletion.
        &[
            Step::Name(1),
            Step::Phone(0),
            Step::Name(1),
            Step::Delete(0),
        ],
        // Everything in one second, and no deletion.
        &[Step::Name(0), Step::Phone(0), Step::Name(0)],
        // A name that comes back within one second, after a second with one event.
        &[
            Step::Phone(1),
            Step::Name(1),
            Step::Name(0),
            Step::Name(0),
            Step::Phone(0),
        ],
    ];
    let mut orders = 0;
    for (number, steps) in histories.iter().enumerate() {
        let count = history("cus", steps).0.len();
        for order in permutations(count) {
            let id = format!("cus_{number}_{orders}");
            let (events, end) = history(&id, steps);
            // Every third order delivers everything twice.
            let repeat = if orders % 3 == 0 { 2 } else { 1 };
            let delivered = std::iter::repeat_n(&order, repeat)
                .flatten()
                .map(|index| events[*index].clone());
            let row = row_after(&store, delivered.collect(), &id).await;
            assert_eq!(row, end, "history {number}, order {order:?}");
            orders += 1;
        }
    }
    assert_eq!(orders, 120 + 24 + 720);
}

async fn checklist_46_random_histories_with_duplicates_end_as_they_should(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    // Three in five are in the second of the step before.
    let later = || prop_oneof![3 => Just(0_i64), 2 => 1..3_i64];
    let step = prop_oneof![
        5 => later().prop_map(Step::Name),
        3 => later().prop_map(Step::Phone),
        1 => later().prop_map(Step::Delete),
    ];
    let strategy = (vec(step, 0..8), vec(any::<prop::sample::Index>(), 0..24));
    let test = move || {
        let config = proptest::test_runner::Config {
            cases: 100,
            failure_persistence: None,
            ..Default::default()
        };
        TestRunner::new(config)
            .run(&strategy, |(steps, order)| {
                let id = billhook::clock::new_id("cus");
                let (events, end) = history(&id, &steps);
                // A random order with repetitions, and at the end each event once more, so that
                // all have come; the row must not move by that.
                let mut delivered: Vec<_> = order
                    .iter()
                    .map(|index| index.get(&events).clone())
                    .collect();
                delivered.extend(events.iter().rev().cloned());
                let row = runtime.block_on(row_after(&store, delivered, &id));
                prop_assert_eq!(row, end);
                Ok(())
            })
            .unwrap();
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}

/// What comes in: an event of the history at that place, or the object as Stripe had it after that
/// step, read so many seconds later.
#[derive(Clone, Debug)]
enum Arrival {
    Event(prop::sample::Index),
    Page(prop::sample::Index, i64),
}

/// Several objects at once, events in any order with repetitions and ties, and pages of an import or
/// refetches in between, of any age: when all events have come, each row is as its history ended.
async fn checklist_50_pages_of_any_age_in_between_change_nothing_in_the_end(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let runtime = tokio::runtime::Handle::current();
    let later = || prop_oneof![3 => Just(0_i64), 2 => 1..3_i64];
    let step = prop_oneof![
        5 => later().prop_map(Step::Name),
        3 => later().prop_map(Step::Phone),
        1 => later().prop_map(Step::Delete),
    ];
    let arrival = prop_oneof![
        2 => any::<prop::sample::Index>().prop_map(Arrival::Event),
        1 => (any::<prop::sample::Index>(), 0..3_i64).prop_map(|(at, age)| Arrival::Page(at, age)),
    ];
    let object = (vec(step, 0..6), vec(arrival, 0..16));
    let strategy = vec(object, 1..4);
    let test = move || {
        let config = proptest::test_runner::Config {
            cases: 100,
            failure_persistence: None,
            ..Default::default()
        };
        TestRunner::new(config)
            .run(&strategy, |objects| {
                let histories: Vec<_> = objects
                    .iter()
                    .map(|(steps, _)| {
                        let id = billhook::clock::new_id("cus");
                        let (events, end) = history(&id, steps);
                        (id, events, end)
                    })
                    .collect();
                // Turn by turn, so that the objects are thrown together.
                let most = objects.iter().map(|(_, arrivals)| arrivals.len()).max();
                let work = store.write({
                    let (objects, histories) = (objects.clone(), histories.clone());
                    move |tx| {
                        async move {
                            for turn in 0..most.unwrap_or_default() {
                                for ((_, arrivals), (_, events, _)) in
                                    objects.iter().zip(&histories)
                                {
                                    if let Some(arrival) = arrivals.get(turn) {
                                        arrive(tx, arrival, events).await?;
                                    }
                                }
                            }
                            let rest: Vec<_> = histories
                                .iter()
                                .flat_map(|(_, events, _)| events.iter().rev().cloned())
                                .collect();
                            sync::receive(tx, &rest, &sync::Ours::default(), 1_800_000_000).await?;
                            let mut rows = Vec::new();
                            for (id, ..) in &histories {
                                rows.push(store::row::find::<Customer>(tx, id).await?);
                            }
                            Ok(rows)
                        }
                        .boxed()
                    }
                });
                let rows = runtime.block_on(work).unwrap();
                for (row, (_, _, end)) in rows.into_iter().zip(&histories) {
                    let row = row.expect("there is a row");
                    // A page may have said of a deletion that it was earlier.
                    prop_assert_eq!(row.deleted_at.is_some(), end.deleted_at.is_some());
                    let timeless = |row: &Customer| Customer {
                        stripe_at: 0,
                        deleted_at: None,
                        ..row.clone()
                    };
                    prop_assert_eq!(timeless(&row), timeless(end));
                }
                Ok(())
            })
            .unwrap();
    };
    tokio::task::spawn_blocking(test).await.unwrap();
}

async fn arrive(tx: &mut Tx, arrival: &Arrival, events: &[Event]) -> store::Result<()> {
    match arrival {
        Arrival::Event(at) => {
            let event = at.get(events).clone();
            sync::receive(tx, &[event], &sync::Ours::default(), 1_800_000_000).await?;
        }
        Arrival::Page(at, age) => {
            let event = at.get(events);
            // Nothing happened in between, or the page would not be what it is.
            let next = events.get(at.index(events.len()) + 1);
            let second = next.map_or(event.created + age, |next| {
                next.created.min(event.created + age)
            });
            let object = if event.r#type == "customer.deleted" {
                json!({ "id": event.object["id"], "object": "customer", "deleted": true })
            } else {
                event.object.clone()
            };
            // Stripe's answer is of that second, so it holds all of the second before.
            refetch::write(tx, Kind::Customer, &[object], second - 1, false).await?;
        }
    }
    Ok(())
}

async fn checklist_49_deleted_is_final(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let object = || customer_object("cus_1", "ada@example.com", "Ada");
    let short = json!({ "id": "cus_1", "object": "customer", "deleted": true });
    let late = [
        event("customer.deleted", 1_700_000_100, short, Value::Null),
        event(
            "customer.updated",
            1_700_000_200,
            object(),
            json!({ "name": "Eve" }),
        ),
        event("customer.created", 1_700_000_300, object(), Value::Null),
    ];
    let mut outcomes = Vec::new();
    for event in late {
        let event = Event::parse(event.to_string().as_bytes()).unwrap();
        let work = store.write(move |tx| {
            async move { sync::receive(tx, &[event], &sync::Ours::default(), 1_800_000_000).await }.boxed()
        });
        outcomes.extend(work.await.unwrap().outcomes);
    }
    assert_eq!(outcomes, [Outcome::Applied, Outcome::Stale, Outcome::Stale]);
    let row = store.read(|tx| {
        async move { store::row::find::<store::customer::Customer>(tx, "cus_1").await }.boxed()
    });
    let row = row.await.unwrap().unwrap();
    assert_eq!(
        (row.deleted_at, row.email, row.name),
        (Some(1_700_000_100), None, None)
    );
}

/// All orders of `0..count` (Heap's algorithm).
fn permutations(count: usize) -> Vec<Vec<usize>> {
    fn go(size: usize, items: &mut Vec<usize>, all: &mut Vec<Vec<usize>>) {
        if size <= 1 {
            all.push(items.clone());
            return;
        }
        for index in 0..size {
            go(size - 1, items, all);
            let other = if size.is_multiple_of(2) { index } else { 0 };
            items.swap(other, size - 1);
        }
    }
    let mut all = Vec::new();
    go(count, &mut (0..count).collect(), &mut all);
    all
}
