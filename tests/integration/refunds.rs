//! Refunds. Most versions of the API name no customer in them: they are those of whoever made the payment.

use billhook::{
    domain::{changes::Change, erase},
    store::{mirror::Refund, row},
};
use futures::FutureExt;
use serde_json::{Value, json};

use crate::{
    contract::principal,
    engines::{Engine, on_both_engines},
    helpers::{TestApp, customer_object, event, eventually, spawn_app},
};

on_both_engines!(a_refund_without_a_customer_is_that_of_who_paid);

const SECOND: i64 = 1_700_000_000;

async fn deliver(app: &TestApp, r#type: &str, object: Value) {
    let event = event(r#type, SECOND, object, Value::Null);
    assert_eq!(app.deliver(&event).await.status(), 200);
}

async fn refund(app: &TestApp, id: &str, payment: &str) {
    let object = json!({
        "id": id, "object": "refund", "amount": 900, "currency": "eur", "status": "succeeded",
        "payment_intent": payment, "charge": format!("ch_of_{payment}"), "created": SECOND,
    });
    deliver(app, "refund.created", object).await;
}

async fn find(app: &TestApp, id: &'static str) -> Option<Refund> {
    let find = app.app.store.read(move |tx| row::find(tx, id).boxed());
    find.await.unwrap()
}

async fn a_refund_without_a_customer_is_that_of_who_paid(engine: Engine) {
    let app = spawn_app(engine).await;
    for name in ["ada", "bob"] {
        let customer = format!("cus_{name}");
        let object = customer_object(&customer, &format!("{name}@example.com"), name);
        deliver(&app, "customer.created", object).await;
        let payment = json!({
            "id": format!("pi_{name}"), "object": "payment_intent", "customer": customer, "created": SECOND,
        });
        deliver(&app, "payment_intent.created", payment).await;
    }
    let ada = Change::Of("ada@example.com".to_owned());
    let mut changes = app.app.changes.listen();
    refund(&app, "re_ada", "pi_ada").await;
    let told = async { while changes.recv().await.unwrap() != ada {} };
    let limit = std::time::Duration::from_secs(20);
    tokio::time::timeout(limit, told)
        .await
        .expect("the page of who paid is told");
    refund(&app, "re_bob", "pi_bob").await;
    for id in ["re_ada", "re_bob"] {
        eventually(|| find(&app, id)).await;
    }
    // There the database itself hides those of others.
    if matches!(engine, Engine::Postgres) {
        let principal = principal(&app.app.store, "ada@example.com").await;
        for (id, is_seen) in [("re_ada", true), ("re_bob", false)] {
            let look = app.app.store.read_as(&principal, move |tx| {
                async move { row::find::<Refund>(tx, id).await }.boxed()
            });
            assert_eq!(look.await.unwrap().is_some(), is_seen, "{id}");
        }
    }

    erase::erase(&app.app, "ada@example.com").await.unwrap();
    let erased = find(&app, "re_ada").await.unwrap();
    assert!(erased.deleted_at.is_some() && erased.amount.is_none());
    // Another one of the same payment is of the same person.
    refund(&app, "re_late", "pi_ada").await;
    refund(&app, "re_after", "pi_bob").await;
    eventually(|| find(&app, "re_after")).await;
    assert_eq!(find(&app, "re_late").await, None);
    assert_eq!(find(&app, "re_bob").await.unwrap().amount, Some(900));
}
