//! The webhook route: what is accepted, what is refused, what is written.

use std::time::Duration;

use billhook::{
    config::Secret,
    store::{self, Store},
};
use futures::{FutureExt, future::join_all};
use serde_json::{Value, json};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{
        SECRET, TestApp, customer_object, event, sign, spawn_app, spawn_app_set, spawn_app_with,
    },
};

on_both_engines!(
    an_event_and_its_effect_are_written_once,
    checklist_41_bad_signatures_are_400_and_write_nothing,
    checklist_44_no_200_without_a_row,
    odd_bodies_are_answered,
    types_that_are_not_mirrored_are_kept_and_ignored,
    a_crowd_of_the_same_event_has_one_effect,
    checklist_54_the_secret_of_the_endpoint_can_be_rolled,
    of_an_organization_only_our_own_accounts_events_are_mirrored,
);

async fn rows(app: &TestApp) -> i64 {
    app.app
        .store
        .read(|tx| async move { store::event::count(tx).await }.boxed())
        .await
        .unwrap()
}

async fn state(app: &TestApp, event: &Value) -> String {
    let id = event["id"].as_str().unwrap().to_owned();
    let found = app
        .app
        .store
        .read(move |tx| async move { store::event::find(tx, &id).await }.boxed());
    found.await.unwrap().unwrap().state.as_str().to_owned()
}

async fn name_of(app: &TestApp, id: &'static str) -> Option<String> {
    let found = app.app.store.read(move |tx| {
        async move { store::row::find::<store::customer::Customer>(tx, id).await }.boxed()
    });
    found.await.unwrap()?.name
}

async fn an_event_and_its_effect_are_written_once(engine: Engine) {
    let app = spawn_app(engine).await;
    let object = |name: &str| customer_object("cus_1", "ada@example.com", name);
    let created = event("customer.created", 10, object("Ada"), Value::Null);
    let updated = event(
        "customer.updated",
        20,
        object("Ada L."),
        json!({ "name": "Ada" }),
    );
    let late = event(
        "customer.updated",
        15,
        object("Augusta"),
        json!({ "name": "Ada" }),
    );
    for (sent, said, name) in [
        (&created, "applied\n", "Ada"),
        (&updated, "applied\n", "Ada L."),
        (&created, "duplicate\n", "Ada L."),
        (&late, "stale\n", "Ada L."),
        (&updated, "duplicate\n", "Ada L."),
    ] {
        let answer = app.deliver(sent).await;
        assert_eq!(
            (
                answer.status().as_u16(),
                answer.text().await.unwrap().as_str()
            ),
            (200, said)
        );
        assert_eq!(name_of(&app, "cus_1").await.as_deref(), Some(name));
    }
    assert_eq!(rows(&app).await, 3);
    assert_eq!(
        (
            state(&app, &updated).await.as_str(),
            state(&app, &late).await.as_str()
        ),
        ("applied", "stale")
    );
}

/// checklist 41, through the door: the vectors themselves are unit tests of `stripe::signature`.
async fn checklist_41_bad_signatures_are_400_and_write_nothing(engine: Engine) {
    let app = spawn_app(engine).await;
    let body = event(
        "customer.created",
        10,
        customer_object("cus_1", "a@example.com", "A"),
        Value::Null,
    )
    .to_string();
    let now = app.clock.now();
    let good = sign(SECRET, now, body.as_bytes());
    for signature in [
        String::new(),
        "t=1,v1=00".to_owned(),
        sign("whsec_test_other", now, body.as_bytes()),
        sign(SECRET, now - 310, body.as_bytes()),
        sign(SECRET, now + 310, body.as_bytes()),
        good.replace("v1=", "v0="),
    ] {
        let answer = app
            .post_webhook(&signature, body.clone().into_bytes())
            .await;
        assert_eq!(answer.status(), 400, "{signature}");
    }
    let changed = app
        .post_webhook(&good, format!("{body} ").into_bytes())
        .await;
    assert_eq!(changed.status(), 400);
    let url = format!("{}/webhooks/stripe", app.url);
    let unsigned = app.http.post(&url).body(body.clone()).send().await.unwrap();
    assert_eq!(unsigned.status(), 400);
    let twice = app
        .http
        .post(&url)
        .header("stripe-signature", &good)
        .header("stripe-signature", &good);
    assert_eq!(twice.body(body.clone()).send().await.unwrap().status(), 400);
    assert_eq!(rows(&app).await, 0);
    assert_eq!(
        app.post_webhook(&good, body.into_bytes()).await.status(),
        200
    );
    assert_eq!(rows(&app).await, 1);
}

/// checklist 44: with the database away there is a 503 within five seconds, and when it is back
/// the same event is taken.
async fn checklist_44_no_200_without_a_row(engine: Engine) {
    let app = spawn_app(engine).await;
    let waiting = event(
        "customer.created",
        10,
        customer_object("cus_1", "a@example.com", "A"),
        Value::Null,
    );
    // Somebody else holds the lock that every write of this kind needs.
    let began = tokio::time::Instant::now();
    match &app.app.store {
        Store::Sqlite { writer, .. } => {
            let held = writer.begin_with("BEGIN IMMEDIATE").await.unwrap();
            assert_eq!(app.deliver(&waiting).await.status(), 503);
            held.rollback().await.unwrap();
        }
        Store::Postgres(pool) => {
            let mut held = pool.begin().await.unwrap();
            sqlx::query("LOCK TABLE event IN EXCLUSIVE MODE")
                .execute(&mut *held)
                .await
                .unwrap();
            assert_eq!(app.deliver(&waiting).await.status(), 503);
            held.rollback().await.unwrap();
        }
    }
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        app.deliver(&waiting).await.status(),
        200,
        "and it goes on without a restart"
    );
    assert_eq!(rows(&app).await, 1);
    app.app.store.close().await;
    let other = event(
        "customer.created",
        10,
        customer_object("cus_2", "a@example.com", "A"),
        Value::Null,
    );
    assert_eq!(app.deliver(&other).await.status(), 503);
}

async fn odd_bodies_are_answered(engine: Engine) {
    let app = spawn_app(engine).await;
    let signed = |body: Vec<u8>| {
        let signature = sign(SECRET, app.clock.now(), &body);
        let app = &app;
        async move { app.post_webhook(&signature, body).await.status().as_u16() }
    };
    assert_eq!(signed(vec![b'x'; 2 * 1024 * 1024 + 1]).await, 413);
    assert_eq!(signed(b"hello".to_vec()).await, 400);
    assert_eq!(signed(b"\xff\x00".to_vec()).await, 400);
    assert_eq!(signed(b"{}".to_vec()).await, 400);
    assert_eq!(signed("[".repeat(1000).into_bytes()).await, 400);
    let zipped = app
        .http
        .post(format!("{}/webhooks/stripe", app.url))
        .header("content-encoding", "gzip");
    assert_eq!(zipped.body("x").send().await.unwrap().status(), 415);
    assert_eq!(rows(&app).await, 0);
    // As large as may be, and as odd as may be.
    let mut object = customer_object("cus_1", "a@example.com", "A\u{0}B");
    object["metadata"] = json!({ "long": "\u{1f6a2}".repeat(250 * 1024) });
    let odd = event("customer.created", 10, object, Value::Null);
    assert_eq!(app.deliver(&odd).await.status(), 200);
    assert_eq!(name_of(&app, "cus_1").await.as_deref(), Some("AB"));
}

async fn types_that_are_not_mirrored_are_kept_and_ignored(engine: Engine) {
    let app = spawn_app(engine).await;
    let thin = json!({ "id": "evt_thin", "object": "v2.core.event", "type": "v1.customer.subscription.active",
        "created": "2026-10-28T00:00:00.000Z", "related_object": { "id": "sub_1" } });
    let upcoming = event(
        "invoice.upcoming",
        10,
        json!({ "object": "invoice" }),
        Value::Null,
    );
    let not_a_customer = event(
        "customer.updated",
        10,
        json!({ "object": "customer" }),
        Value::Null,
    );
    let charge = event(
        "charge.succeeded",
        10,
        json!({ "id": "ch_1", "object": "charge" }),
        Value::Null,
    );
    for odd in [&thin, &upcoming, &not_a_customer, &charge] {
        let answer = app.deliver(odd).await;
        assert_eq!(
            (
                answer.status().as_u16(),
                answer.text().await.unwrap().as_str()
            ),
            (200, "ignored\n")
        );
        assert_eq!(state(&app, odd).await, "ignored");
    }
    assert_eq!(rows(&app).await, 4);
}

async fn a_crowd_of_the_same_event_has_one_effect(engine: Engine) {
    let app = spawn_app(engine).await;
    let one = event(
        "customer.created",
        10,
        customer_object("cus_1", "a@example.com", "A"),
        Value::Null,
    );
    let answers = join_all((0..200).map(|_| async {
        let answer = app.deliver(&one).await;
        assert_eq!(answer.status(), 200);
        answer.text().await.unwrap()
    }))
    .await;
    assert_eq!(
        answers.iter().filter(|said| *said == "applied\n").count(),
        1
    );
    assert_eq!(rows(&app).await, 1);
}

/// Stripe signs with both while the old one is about to expire
/// (<https://docs.stripe.com/webhooks#roll-endpoint-secrets>), and with the new one alone from then on.
async fn checklist_54_the_secret_of_the_endpoint_can_be_rolled(engine: Engine) {
    let url = database_url(engine).await;
    let app = async |secrets: &[&str]| {
        let secrets = secrets.iter().copied().map(Secret::new).collect();
        spawn_app_with(&url, |app| {
            let mut config = (*app.config).clone();
            config.stripe_webhook_secrets = secrets;
            app.config = config.into();
        })
        .await
    };
    let status = async |app: &TestApp, secret: &str| {
        let object = customer_object("cus_1", "ada@example.com", "Ada");
        let body = event("customer.updated", 1_700_000_000, object, Value::Null);
        let body = body.to_string().into_bytes();
        let signature = sign(secret, app.clock.now(), &body);
        app.post_webhook(&signature, body).await.status().as_u16()
    };
    let [old, new] = ["whsec_test_old", "whsec_test_new"];
    for (taken, of_old, of_new) in [
        (&[old][..], 200, 400),
        (&[old, new], 200, 200),
        (&[new], 400, 200),
    ] {
        let app = app(taken).await;
        assert_eq!(status(&app, old).await, of_old, "{taken:?}");
        assert_eq!(status(&app, new).await, of_new, "{taken:?}");
    }
}

/// Event destinations of an organization name the account of an event in `context`.
async fn of_an_organization_only_our_own_accounts_events_are_mirrored(engine: Engine) {
    let ours = [("STRIPE_ACCOUNT", "acct_1Ours")];
    let app = spawn_app_set(&database_url(engine).await, &ours, |_| {}).await;
    for (context, wanted) in [
        (json!("acct_1Ours"), "applied"),
        (json!("acct_1Sister"), "ignored"),
        (json!("acct_1OursToo"), "ignored"),
        // Of an endpoint of the account itself.
        (Value::Null, "applied"),
    ] {
        let id = format!("cus_{}", context.as_str().unwrap_or("plain"));
        let object = customer_object(&id, "ada@example.com", &id);
        let mut event = event("customer.created", 1_700_000_000, object, Value::Null);
        event["context"] = context.clone();
        assert_eq!(app.deliver(&event).await.status(), 200);
        assert_eq!(state(&app, &event).await, wanted, "{context}");
    }
    let mut browser = app.signed_in("ada@example.com").await;
    let page = browser.get("/billing").await.text().await.unwrap();
    for (id, is_mirrored) in [
        ("cus_acct_1Ours\"", true),
        ("cus_acct_1Sister", false),
        ("cus_acct_1OursToo", false),
        ("cus_plain", true),
    ] {
        assert_eq!(page.contains(id), is_mirrored, "{id}");
    }
}
