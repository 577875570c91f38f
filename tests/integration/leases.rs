//! What a worker took and did not finish.

use billhook::{
    domain::{sync, worker},
    store,
    stripe::Event,
};
use futures::{FutureExt, future::join_all};
use serde_json::{Value, json};

use crate::{
    contract,
    engines::{Engine, database_url, on_both_engines},
    helpers::{customer_object, event, eventually, spawn_app, spawn_app_with},
    worker::{at_stripe, open_tie, row, stored},
};

on_both_engines!(
    checklist_53_what_a_dead_worker_held_is_taken_by_another,
    checklist_53_a_lease_lasts_while_stripe_is_asked,
);

async fn checklist_53_what_a_dead_worker_held_is_taken_by_another(engine: Engine) {
    let url = database_url(engine).await;
    let app = spawn_app_with(&url, |_| {}).await;
    let object = customer_object("cus_1", "ada@example.com", "Ada");
    let sent = event("customer.created", 1_700_000_000, object, Value::Null);
    let parsed = Event::parse(sent.to_string().as_bytes()).unwrap();
    // Due so late that the worker that runs beside the test does not see it.
    let (now, due) = (app.clock.now(), app.clock.now() + 10_000);
    let stores = app.app.store.write(move |tx| {
        async move { sync::store_failed(tx, &parsed, "an outage", now, due).await }.boxed()
    });
    stores.await.unwrap();
    let lease = due + 60;
    let claims = app
        .app
        .store
        .write(move |tx| async move { store::event::claim(tx, due, lease, 256).await }.boxed());
    assert_eq!(claims.await.unwrap().len(), 1);
    // Whoever took that is gone. Until the lease ends nobody else has it.
    app.clock.advance(10_000 + 50);
    worker::step(&app.app).await.unwrap();
    let held = stored(&app, &sent).await.unwrap();
    assert_eq!((held.state.as_str(), held.attempts), ("failed", 2));
    assert_eq!(row(&app, "cus_1").await, None);

    // On Postgres there are several processes, all of which want it at once.
    let mut others = Vec::new();
    if matches!(engine, Engine::Postgres) {
        for _ in 0..3 {
            others.push(spawn_app_with(&url, |_| {}).await);
        }
    }
    app.clock.advance(11);
    for other in &others {
        other.clock.advance(app.clock.now() - other.clock.now());
    }
    let workers = others.iter().chain([&app]);
    let steps = join_all(workers.map(|one| worker::step(&one.app))).await;
    assert!(steps.iter().all(Result::is_ok), "{steps:?}");
    let done = eventually(|| async {
        stored(&app, &sent)
            .await
            .filter(|row| row.state.as_str() == "applied")
    })
    .await;
    assert_eq!((done.attempts, done.due_at), (3, None));
    assert_eq!(done.error, None);
    let customers = contract::dump(&app.app.store, "customer").await;
    assert_eq!(customers.lines().count(), 1);

    // Had the first only been slow, its word would come too late.
    let id = done.id.clone();
    let late = app.app.store.write(move |tx| {
        async move { store::event::fail(tx, &id, Some(lease), "too late", None).await }.boxed()
    });
    late.await.unwrap();
    assert_eq!(stored(&app, &sent).await.unwrap(), done);
}

async fn checklist_53_a_lease_lasts_while_stripe_is_asked(engine: Engine) {
    let app = spawn_app(engine).await;
    let real = at_stripe(&app, &[("email", "ada@example.com"), ("name", "The last")]).await;
    let id = real["id"].as_str().unwrap();
    let fault = json!({ "path": format!("/v1/customers/{id}"), "hang": true });
    app.control("POST", "faults", fault).await;
    let events = open_tie(id, 1_700_000_000);
    for event in &events {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    let held = eventually(|| async {
        let row = stored(&app, &events[1]).await?;
        (row.due_at? > app.clock.now() + 30).then_some(row)
    })
    .await;
    assert_eq!((held.state.as_str(), held.attempts), ("pending", 2));
    // What is another's by now is not touched.
    let (id, due_at) = (held.id, held.due_at.unwrap());
    let holding = app.app.store.write(move |tx| {
        async move { store::event::hold(tx, &[&id], due_at - 1, due_at + 1_000).await }.boxed()
    });
    holding.await.unwrap();
    let after = stored(&app, &events[1]).await.unwrap();
    assert_eq!(after.due_at, Some(due_at));
}
