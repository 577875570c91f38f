//! What must hold afterwards.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use billhook::store::{self, Store, customer::Customer, row};
use futures::FutureExt;

use crate::plan::{End, Fate, Plan};

/// Waits for the worker: an event may have to be looked at again after one came that tells its order.
/// What does not settle in time is found by [`faults`].
pub async fn until_settled(database_url: &str, plan: &Plan) {
    let store = Store::connect(database_url)
        .await
        .expect("it opens beside the program");
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let states = states(&store).await;
        let is_settled = plan.events.iter().all(|event| {
            let state = states.get(&event.id).map(String::as_str);
            event.fate == Fate::Poison || !matches!(state, Some("pending" | "failed"))
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
            Fate::Known => matches!(state, Some("applied" | "stale")),
            Fate::Ignored => state == Some("ignored"),
            Fate::Poison => matches!(state, Some("pending" | "failed")),
        }
    });
    told(
        &mut faults,
        "in a wrong state",
        wrong.map(|event| &event.id),
    );
    let ids: Vec<String> = plan.objects.keys().cloned().collect();
    let rows = store.read(move |tx| {
        async move {
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            row::find_all::<Customer>(tx, &ids).await
        }
        .boxed()
    });
    let rows: BTreeMap<_, _> = rows
        .await
        .expect("the rows are read")
        .into_iter()
        .map(|row| (row.id.clone(), row))
        .collect();
    let differing = plan
        .objects
        .iter()
        .filter(|(id, end)| match (rows.get(*id), end) {
            (Some(row), End::Named(name)) => {
                row.deleted_at.is_some() || row.name.as_ref() != Some(name)
            }
            (Some(row), End::Deleted) => row.deleted_at.is_none(),
            (None, _) => true,
        });
    told(
        &mut faults,
        "not as the history ended",
        differing.map(|(id, _)| id),
    );
    store.close().await;
    faults
}

async fn states(store: &Store) -> BTreeMap<String, String> {
    let all = store.read(|tx| {
        async move { store::event::list(tx, &store::event::Filter::default(), i64::MAX).await }
            .boxed()
    });
    let all = all.await.expect("the events are read");
    all.into_iter().map(|row| (row.id, row.state)).collect()
}

fn told<'a>(faults: &mut Vec<String>, what: &str, ids: impl Iterator<Item = &'a String>) {
    let ids: Vec<_> = ids.collect();
    if !ids.is_empty() {
        let some: Vec<_> = ids.iter().take(TOLD).map(|id| id.as_str()).collect();
        faults.push(format!("{} {what}: {} …", ids.len(), some.join(", ")));
    }
}
