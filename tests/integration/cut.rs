//! Events that tell of a part only: Stripe is asked for the rest.

use billhook::{
    clock::Clock,
    domain::{mirror::Kind, refetch},
    store::{
        self,
        mirror::{Price, Subscription, SubscriptionItem},
        row,
    },
};
use futures::FutureExt;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, event, eventually, spawn_app},
    worker::{state, stored},
};

on_both_engines!(
    a_cut_list_is_completed_before_it_is_written,
    a_cut_list_of_the_far_future_is_completed_as_well,
    two_cut_lists_of_one_second_of_the_far_future_end_as_the_later,
    tiers_are_asked_for,
    a_deleted_price_is_not_asked_for,
    tiers_that_were_read_are_added_to_a_newer_row,
    known_tiers_stay_and_are_not_asked_for_again,
    checklist_52_an_answer_that_is_something_else_leaves_its_event_failed,
);

const AT: i64 = 1_700_000_000;

fn items(count: i32) -> Value {
    let item = |number| {
        json!({
            "id": format!("si_{number}"), "object": "subscription_item", "quantity": number,
            "price": { "id": "price_1", "object": "price", "product": "prod_1" },
        })
    };
    (0..count).map(item).collect()
}

/// A subscription that has twelve items, as Stripe tells of it: with ten.
fn cut() -> Value {
    json!({
        "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active",
        "items": { "object": "list", "data": items(10), "has_more": true },
    })
}

fn cut_event(at: i64) -> Value {
    let previous = json!({ "quantity": 1 });
    event("customer.subscription.updated", at, cut(), previous)
}

async fn stripe_answers(app: &TestApp, path: &str, body: Value) {
    let fault = json!({ "path": path, "status": 200, "body": body.to_string() });
    app.control("POST", "faults", fault).await;
}

async fn spawn_with_the_whole(engine: Engine) -> TestApp {
    let app = spawn_app(engine).await;
    let whole = json!({ "object": "list", "data": items(12), "has_more": false });
    stripe_answers(&app, "/v1/subscriptions/sub_1", cut()).await;
    stripe_answers(&app, "/v1/subscription_items", whole).await;
    app
}

/// The items of the subscription, if it has a row.
async fn mirrored(app: &TestApp) -> Option<Vec<SubscriptionItem>> {
    let found = app.app.store.read(|tx| {
        async move {
            let row = row::find::<Subscription>(tx, "sub_1").await?;
            let items = store::mirror::items_of(tx, &["sub_1"]).await?;
            Ok(row.map(|_| items))
        }
        .boxed()
    });
    found.await.unwrap()
}

async fn is_completed(app: &TestApp, cut: &Value) {
    assert_eq!(app.deliver(cut).await.text().await.unwrap(), "pending\n");
    let items = eventually(|| mirrored(app)).await;
    assert_eq!(items.len(), 12, "never ten");
    assert_eq!(items[11].quantity, Some(11));
    eventually(|| async { (state(app, cut).await == "applied").then_some(()) }).await;
}

async fn a_cut_list_is_completed_before_it_is_written(engine: Engine) {
    let app = spawn_with_the_whole(engine).await;
    is_completed(&app, &cut_event(AT)).await;
}

async fn a_cut_list_of_the_far_future_is_completed_as_well(engine: Engine) {
    let app = spawn_with_the_whole(engine).await;
    let in_a_year = Clock::default().now() + 365 * 24 * 60 * 60;
    is_completed(&app, &cut_event(in_a_year)).await;
}

async fn two_cut_lists_of_one_second_of_the_far_future_end_as_the_later(engine: Engine) {
    let app = spawn_with_the_whole(engine).await;
    let in_a_year = Clock::default().now() + 365 * 24 * 60 * 60;
    let mut before = cut();
    before["status"] = json!("incomplete");
    let created = event(
        "customer.subscription.created",
        in_a_year,
        before,
        Value::Null,
    );
    let previous = json!({ "status": "incomplete" });
    let updated = event("customer.subscription.updated", in_a_year, cut(), previous);
    for event in [&created, &updated] {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    eventually(|| async {
        let all = [state(&app, &created).await, state(&app, &updated).await];
        (!all.contains(&"pending".to_owned())).then_some(())
    })
    .await;
    let found = app
        .app
        .store
        .read(|tx| async move { row::find::<Subscription>(tx, "sub_1").await }.boxed());
    assert_eq!(
        found.await.unwrap().unwrap().status.as_deref(),
        Some("active")
    );
    assert_eq!(mirrored(&app).await.unwrap().len(), 12);
}

async fn checklist_52_an_answer_that_is_something_else_leaves_its_event_failed(engine: Engine) {
    let app = spawn_app(engine).await;
    stripe_answers(&app, "/v1/subscriptions/sub_1", json!({})).await;
    let cut = cut_event(AT);
    assert_eq!(app.deliver(&cut).await.text().await.unwrap(), "pending\n");
    let failed = eventually(|| async {
        let row = stored(&app, &cut).await;
        row.filter(|row| row.state.as_str() != "pending")
    })
    .await;
    assert_eq!(failed.state.as_str(), "failed");
    assert!(failed.error.unwrap().contains("not what was asked for"));
    assert!(failed.due_at.is_some(), "it is tried again");
    assert_eq!(mirrored(&app).await, None);
}

async fn price(app: &TestApp, id: &str) -> Option<Price> {
    let id = id.to_owned();
    let found = app
        .app
        .store
        .read(move |tx| async move { row::find::<Price>(tx, &id).await }.boxed());
    found.await.unwrap()
}

async fn tiers_are_asked_for(engine: Engine) {
    let app = spawn_app(engine).await;
    let form = [
        ("currency", "eur"),
        ("billing_scheme", "tiered"),
        ("tiers_mode", "graduated"),
        ("tiers[0][up_to]", "10"),
        ("tiers[0][unit_amount]", "100"),
        ("tiers[1][up_to]", "inf"),
        ("tiers[1][unit_amount]", "50"),
        ("product_data[name]", "Seats"),
    ];
    let url = format!("{}/v1/prices", app.stripe_url);
    let request = app.http.post(url).bearer_auth("sk_test_billhook");
    let made: Value = request
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(made.get("tiers").is_none(), "{made}");
    let created = event("price.created", AT, made.clone(), Value::Null);
    assert_eq!(
        app.deliver(&created).await.text().await.unwrap(),
        "pending\n"
    );
    let id = made["id"].as_str().unwrap();
    let tiers = eventually(|| async { price(&app, id).await?.tiers }).await;
    let tiers: Value = serde_json::from_str(&tiers).unwrap();
    assert_eq!(tiers[0]["unit_amount"], 100);
    eventually(|| async { (state(&app, &created).await == "applied").then_some(()) }).await;
}

async fn a_deleted_price_is_not_asked_for(engine: Engine) {
    let app = spawn_app(engine).await;
    let price = json!({ "id": "price_1", "object": "price", "billing_scheme": "tiered" });
    let gone = event("price.deleted", AT + 1, price.clone(), Value::Null);
    assert_eq!(app.deliver(&gone).await.text().await.unwrap(), "applied\n");
    let late = event("price.created", AT, price, Value::Null);
    assert_eq!(app.deliver(&late).await.text().await.unwrap(), "stale\n");
}

async fn known_tiers_stay_and_are_not_asked_for_again(engine: Engine) {
    let app = spawn_app(engine).await;
    let tiered = |nickname: &str| {
        json!({
            "id": "price_1", "object": "price", "product": "prod_1", "currency": "eur",
            "billing_scheme": "tiered", "nickname": nickname, "created": AT,
        })
    };
    let mut whole = tiered("Old");
    whole["tiers"] = json!([{ "up_to": 10, "unit_amount": 100 }]);
    let whole = event("price.created", AT, whole, Value::Null);
    assert_eq!(app.deliver(&whole).await.text().await.unwrap(), "applied\n");
    let previous = json!({ "nickname": "Old" });
    let part = event("price.updated", AT + 1, tiered("New"), previous);
    assert_eq!(app.deliver(&part).await.text().await.unwrap(), "applied\n");
    let found = price(&app, "price_1").await.unwrap();
    assert_eq!(found.nickname.as_deref(), Some("New"));
    assert!(found.tiers.unwrap().contains("100"));
}

/// The row is newer, for it came with a subscription while Stripe was asked.
async fn tiers_that_were_read_are_added_to_a_newer_row(engine: Engine) {
    let app = spawn_app(engine).await;
    let tiered = |tiers: Value| {
        json!({
            "id": "price_1", "object": "price", "currency": "eur", "billing_scheme": "tiered",
            "tiers": tiers, "created": AT,
        })
    };
    let tiers = json!([{ "up_to": 10, "unit_amount": 100 }]);
    for (object, as_of) in [(tiered(Value::Null), AT + 9), (tiered(tiers), AT)] {
        let written = app.app.store.write(move |tx| {
            async move { refetch::write(tx, Kind::Price, &[object], as_of, false).await }.boxed()
        });
        written.await.unwrap();
    }
    let found = price(&app, "price_1").await.unwrap();
    assert_eq!(found.stripe_at, AT + 9);
    assert!(found.tiers.unwrap().contains("100"));
}
