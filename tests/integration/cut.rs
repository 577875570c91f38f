//! Events that tell of a part only: Stripe is asked for the whole, and a part is never taken for it.

use billhook::{
    clock::Clock,
    store::{
        self,
        mirror::{Subscription, SubscriptionItem},
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

async fn checklist_52_an_answer_that_is_something_else_leaves_its_event_failed(engine: Engine) {
    let app = spawn_app(engine).await;
    stripe_answers(&app, "/v1/subscriptions/sub_1", json!({})).await;
    let cut = cut_event(AT);
    assert_eq!(app.deliver(&cut).await.text().await.unwrap(), "pending\n");
    let failed = eventually(|| async {
        let row = stored(&app, &cut).await;
        row.filter(|row| row.state != "pending")
    })
    .await;
    assert_eq!(failed.state, "failed");
    assert!(failed.error.unwrap().contains("not what was asked for"));
    assert!(failed.due_at.is_some(), "it is tried again");
    assert_eq!(mirrored(&app).await, None);
}
