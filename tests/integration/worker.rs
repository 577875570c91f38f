//! What could not be decided at once, and what never arrived: refetches, retries and import, against the stand-in.

use billhook::{
    clock::Clock,
    domain::{import, mirror::Kind, sync::Outcome, worker},
    store::{self, Store, customer::Customer, event::State, row},
    stripe::Event,
};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, customer_object, event, eventually, spawn_app},
};

on_both_engines!(
    checklist_47_an_open_tie_is_settled_by_asking_stripe_once,
    a_key_that_may_not_read_takes_events_as_they_are,
    a_tie_with_a_purged_event_is_settled_by_asking_stripe,
    checklist_52_what_fails_is_tried_again_and_dies_in_the_open,
    checklist_50_a_page_of_an_import_never_overwrites_what_is_newer,
    an_import_reads_everything_once_and_resumes,
    an_import_finds_out_what_was_deleted,
    more_events_are_replayed_than_a_transaction_takes,
    a_replayed_event_of_long_ago_has_all_its_tries_again,
);

/// Makes a customer at the stand-in without telling Billhook, and returns the object.
pub async fn at_stripe(app: &TestApp, fields: &[(&str, &str)]) -> Value {
    let answer = app
        .http
        .post(format!("{}/v1/customers", app.stripe_url))
        .bearer_auth("sk_test_billhook")
        .form(fields)
        .send();
    answer.await.unwrap().json().await.unwrap()
}

pub async fn row(app: &TestApp, id: &str) -> Option<Customer> {
    let id = id.to_owned();
    let found = app
        .app
        .store
        .read(move |tx| async move { row::find::<Customer>(tx, &id).await }.boxed());
    found.await.unwrap()
}

pub async fn stored(app: &TestApp, event: &Value) -> Option<store::event::Event> {
    let id = event["id"].as_str().unwrap().to_owned();
    let found = app
        .app
        .store
        .read(move |tx| async move { store::event::find(tx, &id).await }.boxed());
    found.await.unwrap()
}

pub async fn state(app: &TestApp, event: &Value) -> String {
    stored(app, event)
        .await
        .map(|row| row.state.as_str().to_owned())
        .unwrap_or_default()
}

/// Two updates of one second of which neither says what was before: nothing tells which was last.
pub fn open_tie(id: &str, second: i64) -> [Value; 2] {
    ["B", "C"].map(|name| {
        let object = customer_object(id, "ada@example.com", name);
        event(
            "customer.updated",
            second,
            object,
            json!({ "name": format!("before {name}") }),
        )
    })
}

async fn checklist_47_an_open_tie_is_settled_by_asking_stripe_once(engine: Engine) {
    let app = spawn_app(engine).await;
    let real = at_stripe(&app, &[("email", "ada@example.com"), ("name", "The last")]).await;
    let id = real["id"].as_str().unwrap();
    let second = Clock::default().now() - 60;
    let [one, other] = open_tie(id, second);
    for event in [&one, &other] {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    eventually(|| async {
        let row = row(&app, id).await?;
        (row.name.as_deref() == Some("The last")).then_some(())
    })
    .await;
    eventually(|| async { (state(&app, &other).await == "applied").then_some(()) }).await;
    let asked = app.stripe_calls().await;
    let path = format!("/v1/customers/{id}");
    assert_eq!(
        asked.iter().filter(|call| **call == path).count(),
        1,
        "{asked:?}"
    );
    // What was read is newer than both, so neither comes back.
    assert_eq!(app.deliver(&one).await.text().await.unwrap(), "duplicate\n");
    assert_eq!(
        row(&app, id).await.unwrap().name.as_deref(),
        Some("The last")
    );
}

async fn a_key_that_may_not_read_takes_events_as_they_are(engine: Engine) {
    let app = spawn_app(engine).await;
    let fault = json!({ "path": "/v1/customers", "status": 403 });
    app.control("POST", "faults", fault).await;
    for number in 0..3 {
        let id = format!("cus_{number}");
        let events = open_tie(&id, 1_700_000_000);
        for event in &events {
            assert_eq!(app.deliver(event).await.status(), 200);
        }
        eventually(|| async { (state(&app, &events[1]).await != "pending").then_some(()) }).await;
        let greatest = events
            .iter()
            .max_by_key(|event| event["id"].as_str().unwrap());
        assert_eq!(
            row(&app, &id).await.unwrap().name.as_deref(),
            greatest.unwrap()["data"]["object"]["name"].as_str()
        );
    }
    assert_eq!(app.stripe_calls().await.len(), 1, "it is not asked again");
}

async fn a_tie_with_a_purged_event_is_settled_by_asking_stripe(engine: Engine) {
    let app = spawn_app(engine).await;
    let real = at_stripe(&app, &[("email", "ada@example.com"), ("name", "The last")]).await;
    let id = real["id"].as_str().unwrap();
    let second = Clock::default().now() - 60;
    let [one, other] = open_tie(id, second);
    assert_eq!(app.deliver(&other).await.text().await.unwrap(), "applied\n");
    let purged = app
        .app
        .store
        .write(move |tx| async move { store::event::purge(tx, i64::MAX, 9).await }.boxed());
    assert_eq!(purged.await.unwrap(), 1);
    // Alone it would look as if it were all that happened then.
    assert_eq!(app.deliver(&one).await.status(), 200);
    eventually(|| async {
        let row = row(&app, id).await?;
        (row.name.as_deref() == Some("The last")).then_some(())
    })
    .await;
}

async fn checklist_52_what_fails_is_tried_again_and_dies_in_the_open(engine: Engine) {
    let app = spawn_app(engine).await;
    // Not one that makes the client rest.
    let fault = json!({ "path": "/v1/customers", "status": 400 });
    app.control("POST", "faults", fault).await;
    let events = open_tie("cus_poison", 1_700_000_000);
    for event in &events {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    let poison = &events[1];
    let failed = eventually(|| async {
        stored(&app, poison)
            .await
            .filter(|row| row.state.as_str() == "failed")
    })
    .await;
    assert!(failed.error.unwrap().contains("400"));
    assert!(failed.due_at.unwrap() > app.clock.now());
    // It holds up nobody.
    app.customer("bob@example.com", "Bob").await;
    for _ in 0..40 {
        app.clock.advance(8 * 60 * 60);
        worker::step(&app.app).await.unwrap();
        if state(&app, poison).await == "dead" {
            break;
        }
    }
    let dead = stored(&app, poison).await.unwrap();
    assert_eq!((dead.state.as_str(), dead.due_at), ("dead", None));
    assert!(dead.attempts <= 12, "{}", dead.attempts);

    // Replayed, however late, it has all its tries again.
    app.clock.advance(30 * 24 * 60 * 60);
    let (id, now) = (dead.id, app.clock.now());
    let replay = app
        .app
        .store
        .write(move |tx| async move { store::event::requeue(tx, &[&id], now).await }.boxed());
    assert_eq!(replay.await.unwrap(), 1);
    let failed = eventually(|| async {
        let row = stored(&app, poison).await?;
        (row.attempts > 0 && row.state.as_str() != "pending").then_some(row)
    });
    let failed = failed.await;
    assert_eq!(failed.state.as_str(), "failed", "{failed:?}");
}

async fn checklist_50_a_page_of_an_import_never_overwrites_what_is_newer(engine: Engine) {
    let app = spawn_app(engine).await;
    let real = at_stripe(&app, &[("email", "ada@example.com"), ("name", "Old")]).await;
    let id = real["id"].as_str().unwrap();
    let object = customer_object(id, "ada@example.com", "New");
    let later = Clock::default().now() + 60;
    let newer = event("customer.updated", later, object, json!({ "name": "Old" }));
    assert_eq!(app.deliver(&newer).await.status(), 200);
    let gone = at_stripe(&app, &[("email", "bob@example.com"), ("name", "Bob")]).await;
    let deleted = event("customer.deleted", 1_700_000_000, gone.clone(), Value::Null);
    assert_eq!(app.deliver(&deleted).await.status(), 200);
    let report = import_all(&app, &[Kind::Customer]).await;
    assert_eq!(report.read[&Kind::Customer], 2);
    assert_eq!(row(&app, id).await.unwrap().name.as_deref(), Some("New"));
    let gone = row(&app, gone["id"].as_str().unwrap()).await.unwrap();
    assert!(gone.deleted_at.is_some() && gone.name.is_none());
}

async fn import_all(app: &TestApp, nouns: &[Kind]) -> import::Report {
    let client = app.app.stripe.at_rate(200.try_into().unwrap());
    let stop = CancellationToken::new();
    let report = import::run(&app.app, &client, nouns, &stop, |_| {}).await;
    report.unwrap()
}

async fn an_import_finds_out_what_was_deleted(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut ids = Vec::new();
    for name in ["Kept", "Deleted", "Kept too"] {
        let made = at_stripe(&app, &[("email", "ada@example.com"), ("name", name)]).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let known = event("customer.created", 1_700_000_000, made, Value::Null);
        assert_eq!(app.deliver(&known).await.status(), 200);
        ids.push(id);
    }
    // Of another account.
    let object = customer_object("cus_other", "ada@example.com", "Other");
    let known = event("customer.created", 1_700_000_000, object, Value::Null);
    assert_eq!(app.deliver(&known).await.status(), 200);
    let url = format!("{}/v1/customers/{}", app.stripe_url, ids[1]);
    let deletion = app.http.delete(url).bearer_auth("sk_test_billhook").send();
    assert_eq!(deletion.await.unwrap().status(), 200);
    let report = import_all(&app, &[Kind::Customer]).await;
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    assert!(report.errors[0].starts_with("cus_other: "));
    for (id, is_there) in [
        (ids[0].as_str(), true),
        (ids[1].as_str(), false),
        (ids[2].as_str(), true),
        ("cus_other", true),
    ] {
        let row = row(&app, id).await.unwrap();
        assert_eq!(row.deleted_at.is_none(), is_there, "{id}");
    }
}

async fn an_import_reads_everything_once_and_resumes(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut ids = Vec::new();
    for number in 0..130 {
        let name = format!("Entry {number}");
        // Some have no address, and are kept all the same.
        let fields = [("name", name.as_str()), ("email", "ada@example.com")];
        let fields = if number % 10 == 0 {
            &fields[..1]
        } else {
            &fields[..]
        };
        ids.push(
            at_stripe(&app, fields).await["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let stop = CancellationToken::new();
    let client = app.app.stripe.at_rate(200.try_into().unwrap());
    let first = import::run(&app.app, &client, &[Kind::Customer], &stop, |_| {
        stop.cancel()
    });
    let first = first.await.unwrap();
    assert!(first.is_stopped);
    assert_eq!(first.read[&Kind::Customer], 100);
    let second = import_all(&app, &[Kind::Customer]).await;
    assert_eq!(
        (second.read[&Kind::Customer], second.is_stopped),
        (130, false)
    );
    assert_eq!(second.errors, Vec::<String>::new());
    for id in &ids {
        assert!(row(&app, id).await.is_some(), "{id}");
    }
    // An event from before is stale, and one that is done with does not come again.
    let object = customer_object(&ids[1], "eve@example.com", "Eve");
    let old = event(
        "customer.updated",
        1_700_000_000,
        object,
        json!({ "name": "x" }),
    );
    let outcome = app
        .app
        .inbox
        .receive(Event::parse(old.to_string().as_bytes()).unwrap());
    assert_eq!(outcome.await.unwrap(), Outcome::Stale);
    let fault = json!({ "path": "/v1/products", "status": 403 });
    app.control("POST", "faults", fault).await;
    let report = import_all(&app, &[Kind::Product, Kind::Price]).await;
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    assert!(report.errors[0].starts_with("products: Stripe answered 403"));
}

async fn more_events_are_replayed_than_a_transaction_takes(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let rows: Vec<_> = (0..1100)
        .map(|number| store::event::Event {
            id: format!("evt_{number}"),
            r#type: "customer.updated".to_owned(),
            object_id: None,
            customer_id: None,
            created: 1,
            livemode: 0,
            api_version: None,
            state: State::Dead,
            attempts: 12,
            error: None,
            received_at: 1,
            processed_at: None,
            due_at: None,
            tried_since: None,
            payload: "{}".to_owned(),
        })
        .collect();
    let ids: Vec<_> = rows.iter().skip(1).map(|row| row.id.clone()).collect();
    let stored = store
        .write(move |tx| async move { store::event::insert_all(tx, &rows).await }.boxed())
        .await;
    assert_eq!(stored.unwrap().len(), 1100);
    assert_eq!(worker::replay(&store, &ids, 7).await.unwrap(), 1099);
    let counts = store.read(|tx| async move { store::event::counts(tx).await }.boxed());
    assert_eq!(
        counts.await.unwrap(),
        [(State::Dead, 1), (State::Pending, 1099)]
    );
}

async fn a_replayed_event_of_long_ago_has_all_its_tries_again(engine: Engine) {
    let app = spawn_app(engine).await;
    let fault = json!({ "path": "/v1/subscriptions", "status": 400 });
    app.control("POST", "faults", fault).await;
    let cut = json!({
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active",
        "items": { "data": [], "has_more": true },
    });
    let poison = event(
        "customer.subscription.updated",
        1_700_000_000,
        cut,
        Value::Null,
    );
    assert_eq!(app.deliver(&poison).await.status(), 200);
    let ends = |state: &'static str| {
        let (app, poison) = (&app, &poison);
        eventually(move || async move {
            stored(app, poison)
                .await
                .filter(|row| row.state.as_str() == state && row.attempts > 0)
        })
    };
    ends("failed").await;
    app.clock.advance(73 * 60 * 60);
    let dead = ends("dead").await;
    assert!(dead.attempts < 12, "for too long: {dead:?}");
    let ids = [dead.id];
    let now = app.clock.now();
    assert_eq!(worker::replay(&app.app.store, &ids, now).await.unwrap(), 1);
    let again = ends("failed").await;
    assert_eq!(again.attempts, 1, "{again:?}");
    app.clock.advance(71 * 60 * 60);
    eventually(|| async {
        let row = stored(&app, &poison).await.unwrap();
        (row.attempts == 2 && row.state.as_str() == "failed").then_some(())
    })
    .await;
    app.clock.advance(2 * 60 * 60);
    ends("dead").await;
}
