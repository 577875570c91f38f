//! Every shape that an event can have, and a few that none should have: each is answered 200, kept,
//! and in a state that says what became of it.

use billhook::store::{self, Store, event::Filter, mirror::Subscription, row::Row};
use futures::FutureExt;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{SECRET, TestApp, customer_object, event, sign, spawn_app},
    worker::{row, stored},
};

on_both_engines!(
    checklist_51_every_shape_is_kept_and_answered_200,
    checklist_51_what_is_odd_in_an_object_is_read_as_far_as_it_goes,
);

async fn send(app: &TestApp, body: &str) -> (u16, String) {
    let signature = sign(SECRET, app.clock.now(), body.as_bytes());
    let answer = app.post_webhook(&signature, body.as_bytes().to_vec()).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// An event about a customer of its own, with some of its fields replaced.
fn with(fields: Value) -> Value {
    let id = billhook::clock::new_id("cus");
    let object = customer_object(&id, "ada@example.com", "Ada");
    let mut event = event("customer.updated", 1_700_000_000, object, Value::Null);
    for (name, value) in fields.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

/// The same without one of its fields.
fn without(field: &str) -> Value {
    let mut event = with(json!({}));
    event.as_object_mut().unwrap().remove(field);
    event
}

async fn checklist_51_every_shape_is_kept_and_answered_200(engine: Engine) {
    let app = spawn_app(engine).await;
    let nested = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let deep = with(json!({ "data": { "object":
        { "id": "cus_deep", "object": "customer", "metadata": { "deep": nested } } } }));
    let shapes = [
        (
            "a new type",
            with(json!({ "type": "customer.upgraded" })),
            "applied",
        ),
        (
            "a new noun",
            with(json!({ "type": "spaceship.launched" })),
            "ignored",
        ),
        (
            "a type without a dot",
            with(json!({ "type": "ping" })),
            "ignored",
        ),
        (
            "a type that is a dot",
            with(json!({ "type": "." })),
            "ignored",
        ),
        (
            "a long type",
            with(json!({ "type": "x.".repeat(20_000) })),
            "ignored",
        ),
        (
            "a later version",
            with(json!({ "api_version": "2099-01-01.zircon" })),
            "applied",
        ),
        (
            "no version",
            with(json!({ "api_version": null })),
            "applied",
        ),
        (
            "a version that is a number",
            with(json!({ "api_version": 7 })),
            "applied",
        ),
        (
            "the other mode",
            with(json!({ "livemode": true })),
            "ignored",
        ),
        ("no mode", without("livemode"), "applied"),
        (
            "a connected account",
            with(json!({ "account": "acct_1" })),
            "ignored",
        ),
        (
            "an account that is null",
            with(json!({ "account": null })),
            "applied",
        ),
        ("no time", without("created"), "applied"),
        (
            "a time that is null",
            with(json!({ "created": null })),
            "applied",
        ),
        (
            "a time before 1970",
            with(json!({ "created": -1 })),
            "applied",
        ),
        (
            "a time with a fraction",
            with(json!({ "created": 1.5 })),
            "applied",
        ),
        (
            "the last time there is",
            with(json!({ "created": i64::MAX })),
            "applied",
        ),
        (
            "the first time there is",
            with(json!({ "created": i64::MIN })),
            "applied",
        ),
        (
            "a time beyond all",
            with(json!({ "created": u64::MAX })),
            "applied",
        ),
        ("no data", without("data"), "ignored"),
        (
            "data that is null",
            with(json!({ "data": null })),
            "ignored",
        ),
        (
            "data that is a list",
            with(json!({ "data": [] })),
            "ignored",
        ),
        ("no object", with(json!({ "data": {} })), "ignored"),
        (
            "an object that is null",
            with(json!({ "data": { "object": null } })),
            "ignored",
        ),
        (
            "an object that is a text",
            with(json!({ "data": { "object": "cus_1" } })),
            "ignored",
        ),
        (
            "an object that is a list",
            with(json!({ "data": { "object": [1] } })),
            "ignored",
        ),
        (
            "an object without an id",
            with(json!({ "data": { "object": { "object": "customer" } } })),
            "ignored",
        ),
        (
            "a deletion without an id",
            with(
                json!({ "type": "customer.deleted", "data": { "object": { "object": "customer" } } }),
            ),
            "ignored",
        ),
        (
            "an id that is a number",
            with(json!({ "data": { "object": { "object": "customer", "id": 7 } } })),
            "ignored",
        ),
        (
            "an object of another noun",
            with(json!({ "type": "product.updated" })),
            "ignored",
        ),
        (
            "a summary of nobody",
            with(
                json!({ "type": "entitlements.active_entitlement_summary.updated",
            "data": { "object": { "object": "entitlements.active_entitlement_summary" } } }),
            ),
            "ignored",
        ),
        (
            "previous values that are a list",
            with(json!({ "data": { "previous_attributes": [1],
            "object": customer_object("cus_list", "a@example.com", "A") } })),
            "applied",
        ),
        ("an object that is deep", deep, "applied"),
    ];
    for (what, event, wanted) in &shapes {
        let body = event.to_string();
        let said = send(&app, &body).await;
        assert_eq!(said, (200, format!("{wanted}\n")), "{what}");
        let kept = stored(&app, event).await.expect(what);
        assert_eq!(
            (kept.state.as_str(), kept.due_at),
            (*wanted, None),
            "{what}"
        );
        assert_eq!(kept.payload, body, "{what}");
        let again = send(&app, &body).await;
        assert_eq!(again, (200, "duplicate\n".to_owned()), "{what}");
    }
    let store = &app.app.store;
    let listed = store
        .read(|tx| async move { store::event::list(tx, &Filter::default(), 100).await }.boxed());
    assert_eq!(listed.await.unwrap().len(), shapes.len());
    // None of them has broken anything for the next.
    app.customer("ada@example.com", "Ada").await;
}

async fn find<R: Row>(store: &Store, id: &str) -> R {
    let id = id.to_owned();
    let found = store.read(move |tx| async move { store::row::find::<R>(tx, &id).await }.boxed());
    found.await.unwrap().unwrap()
}

async fn checklist_51_what_is_odd_in_an_object_is_read_as_far_as_it_goes(engine: Engine) {
    let app = spawn_app(engine).await;
    let object = |object: Value| {
        let r#type = match object["object"].as_str().unwrap() {
            "subscription" => "customer.subscription.updated",
            "invoice" => "invoice.updated",
            _ => "customer.updated",
        };
        event(r#type, 1_700_000_000, object, Value::Null).to_string()
    };
    let nothing = object(json!({
        "id": "cus_null", "object": "customer", "email": null, "name": null, "created": null,
        "metadata": null, "invoice_settings": null, "livemode": null,
    }));
    let wrong = object(json!({
        "id": "cus_wrong", "object": "customer", "email": 7, "name": ["x"], "created": "soon",
        "metadata": "text", "invoice_settings": [], "delinquent": "yes",
    }));
    let twice = object(customer_object("cus_twice", "ada@example.com", "First"))
        .replace(r#""name":"First""#, r#""name":"First","name":"Last""#);
    let new_word = object(json!({
        "id": "sub_new", "object": "subscription", "status": "hibernating", "customer": "cus_1",
        "items": { "data": [1, null, {}, { "price": null, "quantity": "two" }] },
    }));
    let no_items = object(json!({ "id": "sub_none", "object": "subscription", "items": null }));
    let large = object(json!({
        "id": "in_large", "object": "invoice", "total": 9_007_199_254_740_993_i64,
        "subtotal": u64::MAX, "amount_due": 1e300, "amount_paid": 1.5, "currency": "eur",
    }));
    for body in [nothing, wrong, twice, new_word, no_items, large] {
        assert_eq!(
            send(&app, &body).await,
            (200, "applied\n".to_owned()),
            "{body}"
        );
    }
    for id in ["cus_null", "cus_wrong"] {
        let row = row(&app, id).await.unwrap();
        assert_eq!((row.email, row.name, row.created), (None, None, 0), "{id}");
    }
    assert_eq!(
        row(&app, "cus_twice").await.unwrap().name.as_deref(),
        Some("Last")
    );
    let store = &app.app.store;
    let new_word: Subscription = find(store, "sub_new").await;
    assert_eq!(new_word.status.as_deref(), Some("hibernating"));
    let none: Subscription = find(store, "sub_none").await;
    assert_eq!((none.status, none.customer_id), (None, None));
    let invoice: store::mirror::Invoice = find(store, "in_large").await;
    assert_eq!(invoice.total, Some(9_007_199_254_740_993));
    assert_eq!(
        (invoice.subtotal, invoice.amount_due, invoice.amount_paid),
        (None, None, None)
    );
}
