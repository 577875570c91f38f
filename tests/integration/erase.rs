//! Erasing a person: nothing of one is left, nothing of it comes back, and others keep what is theirs.

use std::time::Duration;

use billhook::{
    domain::erase,
    store::{
        Store,
        mirror::{Invoice, PaymentMethod, Product},
        row::{self, Row},
    },
};
use futures::{FutureExt, future::join_all};
use serde_json::{Value, json};

use crate::{
    contract::dump,
    engines::{Engine, on_both_engines},
    helpers::{
        SECRET, TestApp, assert_redirect, customer_object, event, eventually, sign, spawn_app,
    },
    operator::{billhook, said},
    worker::{row as customer, state, stored},
};

on_both_engines!(
    checklist_68_an_erased_person_is_nowhere_and_stays_away,
    checklist_68_open_pages_of_an_erased_person_end,
    checklist_68_nothing_slips_in_while_a_person_is_erased,
    checklist_68_others_lose_nothing_but_the_mention,
    checklist_68_guests_and_deleted_customers_are_erased_too,
    checklist_68_an_address_is_found_in_every_spelling,
);

const ADA: &str = "ada@example.com";
const SECOND: i64 = 1_700_000_000;

/// Every text in every table that there is, in lower case.
async fn everything(store: &Store) -> String {
    const IN_SQLITE: &str =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations'";
    const IN_POSTGRES: &str = "SELECT CAST(table_name AS TEXT) FROM information_schema.tables
        WHERE table_schema = current_schema() AND table_name <> '_sqlx_migrations'";
    let tables: Vec<String> = match store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(IN_SQLITE).fetch_all(readers).await,
        Store::Postgres(pool) => sqlx::query_scalar(IN_POSTGRES).fetch_all(pool).await,
    }
    .unwrap();
    assert!(tables.len() > 15, "{tables:?}");
    let mut all = String::new();
    for table in tables {
        all.push_str(&format!("\n== {table}\n{}", dump(store, &table).await));
    }
    all.to_lowercase()
}

async fn assert_nowhere(app: &TestApp, when: &str) {
    let all = everything(&app.app.store).await;
    for text in [ADA, "lovelace", "canary"] {
        let place = all.find(text);
        let around = place.map(|at| all[at.saturating_sub(300)..at].to_owned());
        assert!(around.is_none(), "{when}: {text} after {around:?}");
    }
    assert!(all.contains("bob@example.com"), "{when}");
}

async fn find<R: Row>(app: &TestApp, id: &str) -> R {
    let id = id.to_owned();
    let found = app
        .app
        .store
        .read(move |tx| async move { row::find::<R>(tx, &id).await }.boxed());
    found.await.unwrap().expect("there is a row")
}

/// One event of each noun about this customer, each with what must not stay, but for the customer's own.
fn life_of(customer: &str) -> Vec<Value> {
    let card = json!({
        "id": "pm_1", "object": "payment_method", "type": "card", "customer": customer,
        "billing_details": { "email": "Ada@Example.com", "name": "Ada Lovelace" },
        "card": { "brand": "visa", "last4": "canary", "exp_month": 1, "exp_year": 2031 },
    });
    let subscription = json!({
        "id": "sub_1", "object": "subscription", "customer": customer, "status": "active",
        "description": "canary of the subscription", "metadata": { "note": "canary" },
        "default_payment_method": "pm_1",
        "items": { "data": [{ "id": "si_1", "object": "subscription_item", "quantity": 1 }] },
    });
    let invoice = json!({
        "id": "in_1", "object": "invoice", "customer": customer, "customer_email": ADA,
        "number": "CANARY-0001", "status": "paid",
        "hosted_invoice_url": "https://invoice.stripe.com/i/canary",
    });
    let payment = json!({
        "id": "inpay_1", "object": "invoice_payment", "invoice": "in_1", "status": "canary",
        "payment": { "type": "payment_intent", "payment_intent": "pi_1" },
    });
    let intent = json!({
        "id": "pi_1", "object": "payment_intent", "customer": customer, "receipt_email": ADA,
        "last_payment_error": { "code": "canary" },
    });
    let checkout = json!({
        "id": "cs_1", "object": "checkout.session", "customer": customer, "status": "complete",
        "client_reference_id": "canary", "customer_details": { "email": ADA },
    });
    // Nothing mirrors these.
    let charge = json!({
        "id": "ch_1", "object": "charge", "customer": customer, "receipt_email": ADA,
        "billing_details": { "name": "Ada Lovelace" },
    });
    let refund = json!({
        "id": "ch_1", "object": "charge", "receipt_email": "Canary@example.com",
    });
    let summary = json!({
        "object": "entitlements.active_entitlement_summary", "customer": customer,
        "entitlements": { "data": [{ "id": "ent_1", "lookup_key": "canary" }] },
    });
    [
        ("payment_method.attached", card),
        ("customer.subscription.created", subscription),
        ("invoice.paid", invoice),
        ("invoice_payment.paid", payment),
        ("payment_intent.created", intent),
        ("checkout.session.completed", checkout),
        ("charge.succeeded", charge),
        ("charge.refunded", refund),
        ("entitlements.active_entitlement_summary.updated", summary),
    ]
    .map(|(r#type, object)| event(r#type, SECOND, object, Value::Null))
    .into()
}

/// A subscription whose list is cut, so that Stripe has to be asked, which does not answer.
async fn undecided(app: &TestApp, id: &str, customer: &str, note: &str) -> Value {
    let fault = json!({ "path": format!("/v1/subscriptions/{id}"), "status": 400 });
    app.control("POST", "faults", fault).await;
    let cut = json!({
        "id": id, "object": "subscription", "customer": customer, "description": note,
        "items": { "data": [], "has_more": true },
    });
    let event = event("customer.subscription.updated", SECOND, cut, Value::Null);
    assert_eq!(app.deliver(&event).await.status(), 200);
    eventually(|| async { (state(app, &event).await == "failed").then_some(()) }).await;
    event
}

async fn erase_by_command(app: &TestApp, arguments: &[&str]) -> Value {
    let command = [
        &["account", "erase", " Ada@Example.com", "--json"],
        arguments,
    ]
    .concat();
    serde_json::from_str(&said(app, &command).await).unwrap()
}

async fn checklist_68_an_erased_person_is_nowhere_and_stays_away(engine: Engine) {
    let app = spawn_app(engine).await;
    let ada = app.customer_at_stripe(ADA).await;
    app.customer("bob@example.com", "Bob").await;
    let mut events = life_of(&ada);
    for event in &events {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    events.push(undecided(&app, "sub_2", &ada, "canary").await);
    let mut browser = app.signed_in(ADA).await;
    // By a device that is known.
    app.ask(&mut browser, ADA).await;
    let before = everything(&app.app.store).await;
    for text in [ADA, "lovelace", "canary", "device:", "address:"] {
        assert!(before.contains(text), "{text}");
    }

    let dry = erase_by_command(&app, &[]).await;
    assert_eq!(dry["customers"], json!([ada]));
    assert_eq!(
        (&dry["erased"], &dry["records"]),
        (&json!(false), &json!(6))
    );
    // Its creation, the nine of its life, and the one that waits.
    assert_eq!(
        (&dry["payloads"], &dry["sign_ins"]),
        (&json!(11), &json!(2))
    );
    assert_eq!((&dry["mails"], &dry["sessions"]), (&json!(2), &json!(1)));
    assert_eq!(erase_by_command(&app, &[]).await, dry, "nothing was done");
    assert_eq!(browser.get("/billing").await.status(), 200);

    let mut done = erase_by_command(&app, &["--yes"]).await;
    assert_eq!(done["erased"].take(), json!(true));
    for (name, value) in done.as_object().unwrap() {
        assert!(name == "erased" || dry[name] == *value, "{name}: {value}");
    }
    assert_nowhere(&app, "erased").await;
    assert_redirect(&browser.get("/billing").await, "/");
    let row = customer(&app, &ada).await.unwrap();
    assert!(row.deleted_at.is_some() && row.email.is_none());
    let log = said(&app, &["audit", "list", "--what", "erased", "--who", ADA]).await;
    assert!(
        log.contains("a…a@example.com") && log.contains("1 customers"),
        "{log}"
    );

    // Again, by hand, anew, from the hourly sweep and from an import: nothing.
    for event in &events {
        assert_eq!(
            state(&app, event).await == "stale",
            event == events.last().unwrap()
        );
        let again = app.deliver(event).await.text().await.unwrap();
        assert_eq!(again, "duplicate\n");
        let id = event["id"].as_str().unwrap();
        let replayed = said(&app, &["events", "replay", id, "--yes"]).await;
        assert!(replayed.contains("1 cannot be replayed"), "{replayed}");
    }
    assert_nowhere(&app, "again").await;
    for mut news in life_of(&ada) {
        news["created"] = json!(SECOND + 100);
        assert_eq!(app.deliver(&news).await.status(), 200);
        let stored = stored(&app, &news).await.unwrap();
        assert!(stored.payload.is_empty() && stored.due_at.is_none());
        assert_ne!(stored.state.as_str(), "applied");
    }
    let object = customer_object(&ada, ADA, "Ada Lovelace");
    for kind in ["updated", "deleted", "created"] {
        let news = event(
            &format!("customer.{kind}"),
            SECOND + 200,
            object.clone(),
            Value::Null,
        );
        assert_eq!(app.deliver(&news).await.status(), 200);
        assert_eq!(state(&app, &news).await, "stale");
    }
    let card = json!({
        "id": "pm_new", "object": "payment_method", "type": "card", "customer": ada,
        "card": { "last4": "canary" },
    });
    let news = event("payment_method.attached", SECOND, card, Value::Null);
    assert_eq!(app.deliver(&news).await.status(), 200);
    assert_nowhere(&app, "news").await;
    said(&app, &["sweep"]).await;
    assert_nowhere(&app, "swept").await;
    // It complains of Bob, whom the stand-in does not know.
    let imported = billhook(&app, &["import", "--rate", "200"]).await;
    let words = String::from_utf8_lossy(&imported.stdout);
    assert!(words.contains(" 1 customers"), "{words}");
    assert_nowhere(&app, "imported").await;

    // Whoever comes back as somebody new is welcome.
    let anew = app.customer_at_stripe(ADA).await;
    let mut browser = app.signed_in(ADA).await;
    let page = browser.get("/billing").await.text().await.unwrap();
    assert!(page.contains(&anew) && !page.contains(&ada));
    let row = customer(&app, &anew).await.unwrap();
    assert_eq!(row.email.as_deref(), Some(ADA));
    let wrong = billhook(&app, &["account", "erase", "ada", "--yes"]).await;
    assert!(!wrong.status.success() && wrong.stdout.is_empty());
    let words = said(&app, &["account", "erase", ADA]).await;
    assert!(
        words.contains("1 customers") && words.contains(&anew),
        "{words}"
    );
}

async fn checklist_68_open_pages_of_an_erased_person_end(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut ada = app.signed_in(ADA).await;
    let mut bob = app.signed_in("bob@example.com").await;
    let mut stream = ada.get("/billing/live").await;
    let found = erase::erase(&app.app, ADA).await.unwrap();
    assert_eq!(found.own.sessions, 1);
    let mut text = String::new();
    while !text.contains("event: signed-out") {
        let chunk = tokio::time::timeout(Duration::from_secs(10), stream.chunk());
        let chunk = chunk.await.unwrap().unwrap().expect("it is told");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    // The refresh token is worth nothing either.
    app.clock.advance(6 * 60);
    assert_redirect(&ada.get("/billing").await, "/");
    assert_eq!(bob.get("/billing").await.status(), 200);
}

async fn checklist_68_nothing_slips_in_while_a_person_is_erased(engine: Engine) {
    let app = spawn_app(engine).await;
    let ada = app.customer(ADA, "Ada Lovelace").await;
    app.customer("bob@example.com", "Bob").await;
    let deliveries = (0..60).map(|number| {
        let id = format!("in_{number}");
        let object = json!({
            "id": id, "object": "invoice", "customer": ada, "customer_email": ADA,
            "number": "CANARY", "status": "open",
        });
        let event = event("invoice.finalized", SECOND, object, Value::Null);
        let app = &app;
        async move { app.deliver(&event).await.status() }
    });
    // Two processes, as far as Postgres can tell.
    let beside = Store::connect(app.app.config.database_url.expose())
        .await
        .unwrap();
    let mut eraser = app.app.clone();
    eraser.store = beside;
    let erasing = async {
        tokio::task::yield_now().await;
        for _ in 0..3 {
            let erased = erase::erase(&eraser, ADA).await;
            assert!(erased.is_ok(), "{erased:?}");
        }
    };
    let (statuses, ()) = tokio::join!(join_all(deliveries), erasing);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_nowhere(&app, "at once").await;
    let log = dump(&app.app.store, "event").await;
    assert_eq!(
        log.matches("invoice.finalized").count(),
        60,
        "their ids stay"
    );
}

async fn checklist_68_others_lose_nothing_but_the_mention(engine: Engine) {
    let app = spawn_app(engine).await;
    let moved = app.customer(ADA, "Bob").await;
    let object = customer_object(&moved, "bob@example.com", "Bob");
    let left = event(
        "customer.updated",
        SECOND + 1,
        object,
        json!({ "email": ADA }),
    );
    let product = |second: i64, name: &str| {
        let object = json!({
            "id": "prod_1", "object": "product", "name": name,
            "description": "Questions to Ada@Example.com",
        });
        event("product.updated", second, object, Value::Null)
    };
    // Her name is on it as the seller's; its customer never came.
    let sale = json!({
        "id": "in_1", "object": "invoice", "customer": "cus_other",
        "customer_email": "cid@example.com", "metadata": { "sold_by": ADA }, "number": "N-1",
    });
    let sale = event("invoice.paid", SECOND, sale, Value::Null);
    for event in [&left, &product(SECOND, "Rope"), &sale] {
        assert_eq!(app.deliver(event).await.status(), 200);
        assert_eq!(state(&app, event).await, "applied");
    }
    let undecided = undecided(&app, "sub_9", &moved, ADA).await;
    let found = erase::erase(&app.app, ADA).await.unwrap();
    assert_eq!((found.customers.len(), found.records), (0, 0));
    assert_eq!((found.payloads, found.waiting), (4, 1));
    assert_eq!(
        state(&app, &undecided).await,
        "failed",
        "it is still needed"
    );
    let row = customer(&app, &moved).await.unwrap();
    assert_eq!(row.email.as_deref(), Some("bob@example.com"));
    let row: Product = find(&app, "prod_1").await;
    assert_eq!(row.name.as_deref(), Some("Rope"));
    assert!(stored(&app, &left).await.unwrap().payload.is_empty());
    let row: Invoice = find(&app, "in_1").await;
    assert_eq!(row.number.as_deref(), Some("N-1"));

    // All of it goes on.
    let name = product(SECOND + 1, "Longer rope");
    let object = customer_object("cus_other", "cid@example.com", "Cid");
    let cid = event("customer.created", SECOND, object, Value::Null);
    for event in [&name, &cid] {
        assert_eq!(app.deliver(event).await.status(), 200);
        assert_eq!(state(&app, event).await, "applied");
    }
    let words = said(&app, &["account", "erase", ADA]).await;
    assert!(words.contains("1 events about others mention"), "{words}");
}

async fn checklist_68_guests_and_deleted_customers_are_erased_too(engine: Engine) {
    let app = spawn_app(engine).await;
    app.customer("bob@example.com", "Bob").await;
    // The customer is gone at Stripe; its card is not gone here.
    let gone = app.customer(ADA, "Ada Lovelace").await;
    let card = json!({
        "id": "pm_1", "object": "payment_method", "type": "card", "customer": gone,
        "card": { "last4": "canary" },
    });
    let deleted = json!({ "id": gone, "object": "customer", "deleted": true });
    let guest = json!({
        "id": "cs_guest", "object": "checkout.session", "customer": null,
        "client_reference_id": "canary", "customer_details": { "email": "Ada@example.com" },
    });
    for (r#type, object) in [
        ("payment_method.attached", card),
        ("customer.deleted", deleted),
        ("checkout.session.completed", guest.clone()),
    ] {
        let event = event(r#type, SECOND + 1, object, Value::Null);
        assert_eq!(app.deliver(&event).await.status(), 200);
        assert_eq!(state(&app, &event).await, "applied");
    }
    // One that could not even be stored with its customer yet.
    let object = json!({
        "id": "sub_8", "object": "subscription", "customer": "cus_early",
        "items": { "data": [], "has_more": true },
    });
    let fault = json!({ "path": "/v1/subscriptions/sub_8", "status": 400 });
    app.control("POST", "faults", fault).await;
    let cut = event("customer.subscription.created", SECOND, object, Value::Null);
    let invoice = json!({
        "id": "in_8", "object": "invoice", "customer": "cus_early", "customer_email": ADA,
        "number": "CANARY-8",
    });
    let invoice = event("invoice.finalized", SECOND, invoice, Value::Null);
    for event in [&cut, &invoice] {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    eventually(|| async { (state(&app, &cut).await == "failed").then_some(()) }).await;

    let found = erase::erase(&app.app, ADA).await.unwrap();
    let mut customers = vec![gone.clone(), "cus_early".to_owned()];
    customers.sort();
    assert_eq!(found.customers, customers);
    assert_nowhere(&app, "erased").await;
    assert_eq!(state(&app, &cut).await, "stale");
    let row: PaymentMethod = find(&app, "pm_1").await;
    assert!(row.deleted_at.is_some() && row.customer_id.is_none());
    let again = event("checkout.session.expired", SECOND + 9, guest, Value::Null);
    assert_eq!(app.deliver(&again).await.status(), 200);
    assert_eq!(state(&app, &again).await, "stale");
    assert_nowhere(&app, "again").await;
}

/// Stripe escapes what is not ASCII, and JSON allows it for any character.
async fn checklist_68_an_address_is_found_in_every_spelling(engine: Engine) {
    let app = spawn_app(engine).await;
    let spelled = [
        r"ada\u0040m\u00fcller.de",
        r"ADA@M\u00DCLLER.de",
        "Ada L. <ada@m\u{fc}ller.de>",
        r"to \u0061da@xn--mller-kva.de, please",
        r"nobody\u0040m\u00fcller.de",
    ];
    for (number, text) in spelled.iter().enumerate() {
        let charge = json!({ "id": format!("ch_{number}"), "object": "charge", "note": "NOTE" });
        let body = event("charge.succeeded", SECOND, charge, Value::Null).to_string();
        let body = body.replace("NOTE", &format!("note{number} {text}"));
        let signature = sign(SECRET, app.clock.now(), body.as_bytes());
        let answer = app.post_webhook(&signature, body.into_bytes()).await;
        assert_eq!(answer.status(), 200, "{text}");
    }
    let address = "ada@xn--mller-kva.de";
    assert_eq!(erase::look(&app.app, address).await.unwrap().payloads, 4);
    erase::erase(&app.app, address).await.unwrap();
    let left = dump(&app.app.store, "event").await;
    for number in 0..4 {
        assert!(!left.contains(&format!("note{number} ")), "{left}");
    }
    assert!(left.contains("note4 "), "others keep theirs: {left}");
}
