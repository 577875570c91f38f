//! What must hold afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use billhook::store::{self, Store, customer::Customer, mirror::Subscription, row};
use futures::FutureExt;

use crate::plan::{MailFate, Plan};

/// Longer than a worker that was killed keeps what it had taken.
const PATIENCE: Duration = Duration::from_secs(90);

/// Waits for the worker: an event may have to be looked at again after one came that tells its order.
/// What does not settle in time is found by [`faults`].
pub async fn until_settled(database_url: &str, plan: &Plan) {
    let store = Store::connect(database_url)
        .await
        .expect("it opens beside the program");
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let states = states(&store).await;
        let is_settled = plan.events.iter().all(|event| {
            let state = states.get(&event.id).map(String::as_str);
            event.fate == MailFate::Poison || !matches!(state, Some("pending" | "failed"))
        });
        if is_settled {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    store.close().await;
}

/// At most so many of a kind are told one by one.
const TOLD: usize = 5;

pub async fn faults(
    database_url: &str,
    plan: &Plan,
    acknowledged: &BTreeSet<String>,
) -> Vec<String> {
    let store = Store::connect(database_url)
        .await
        .expect("it opens without a hand");
    let states = states(&store).await;
    let mut faults = Vec::new();
    let lost = acknowledged.iter().filter(|id| !states.contains_key(*id));
    told(&mut faults, "acknowledged and lost", lost);
    let known: BTreeSet<_> = plan.events.iter().map(|event| &event.id).collect();
    told(
        &mut faults,
        "stored and never sent",
        states.keys().filter(|id| !known.contains(id)),
    );
    let wrong = plan.events.iter().filter(|event| {
        let state = states.get(&event.id).map(String::as_str);
        !match event.fate {
            MailFate::Known => matches!(state, Some("applied" | "stale")),
            MailFate::Ignored => state == Some("ignored"),
            MailFate::Poison => matches!(state, Some("pending" | "failed")),
        }
    });
    told(
        &mut faults,
        "in a wrong state",
        wrong.map(|event| &event.id),
    );
    let rows = mirror(&store, plan).await;
    let differing = plan
        .customers
        .iter()
        .filter(|(id, wanted)| rows.customers.get(*id) != Some(*wanted));
    told(
        &mut faults,
        "not as the history ended",
        differing.map(|(id, _)| id),
    );
    let unknown = |id: &&String| !plan.customers.contains_key(*id);
    let strangers = rows
        .living
        .iter()
        .filter(unknown)
        .chain(&rows.subscriptions);
    told(&mut faults, "that should not be there", strangers);
    store.close().await;
    faults
}

/// What is to be compared with the plan.
struct Mirror {
    /// Tombstones too.
    customers: BTreeMap<String, Customer>,
    /// The ids of all customers that are not deleted.
    living: Vec<String>,
    subscriptions: Vec<String>,
}

async fn mirror(store: &Store, plan: &Plan) -> Mirror {
    let ids: Vec<String> = plan.customers.keys().cloned().collect();
    let poisoned = plan.subscriptions.clone();
    let rows = store.read(move |tx| {
        async move {
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            let poisoned: Vec<_> = poisoned.iter().map(String::as_str).collect();
            let customers = row::find_all::<Customer>(tx, &ids).await?;
            let subscriptions = row::find_all::<Subscription>(tx, &poisoned).await?;
            Ok(Mirror {
                customers: customers
                    .into_iter()
                    .map(|row| (row.id.clone(), row))
                    .collect(),
                living: store::customer::ids_after(tx, "", false, i64::MAX).await?,
                subscriptions: subscriptions.into_iter().map(|row| row.id).collect(),
            })
        }
        .boxed()
    });
    rows.await.expect("the rows are read")
}

async fn states(store: &Store) -> BTreeMap<String, String> {
    let all = store.read(|tx| {
        async move { store::event::list(tx, &store::event::Filter::default(), i64::MAX).await }
            .boxed()
    });
    let all = all.await.expect("the events are read");
    all.into_iter()
        .map(|row| (row.id, row.state.as_str().to_owned()))
        .collect()
}

fn told<'a>(faults: &mut Vec<String>, what: &str, ids: impl Iterator<Item = &'a String>) {
    let ids: Vec<_> = ids.collect();
    if !ids.is_empty() {
        let some: Vec<_> = ids.iter().take(TOLD).map(|id| id.as_str()).collect();
        faults.push(format!("{} {what}: {} …", ids.len(), some.join(", ")));
    }
}
