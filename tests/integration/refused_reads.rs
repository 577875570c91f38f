//! Objects that events name, and that the key may not read: asked for once, and told to the operator.

use billhook::domain::missing_objects;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, event, eventually, spawn_app},
    portal_faults::Log,
    worker::{at_stripe, row},
};

on_both_engines!(what_may_not_be_read_is_asked_for_once_an_hour);

/// An invoice that names a customer of whom nobody has told, so that they are asked for.
async fn names(app: &TestApp, customer: &str) {
    let invoice = json!({
        "id": format!("in_of_{customer}"), "object": "invoice", "customer": customer, "status": "paid",
        "total": 1200, "currency": "eur", "created": 1_700_000_000,
    });
    let posted = event("invoice.paid", 1_700_000_000, invoice, Value::Null);
    assert_eq!(app.deliver(&posted).await.status(), 200);
    app.clock.advance(3);
}

async fn asked(app: &TestApp, customer: &str) -> usize {
    let path = format!("/v1/customers/{customer}");
    let calls = app.stripe_calls().await;
    calls.iter().filter(|call| **call == path).count()
}

async fn refuse_customers(app: &TestApp) {
    let message = "The provided key 'rk_test_***qs8Kgd' does not have the required permissions for this endpoint. \
        Having the 'rak_customer_read' permission would allow this request to continue.";
    let body = json!({ "error": { "type": "invalid_request_error", "message": message } });
    let fault = json!({ "path": "/v1/customers", "status": 403, "body": body.to_string() });
    app.control("POST", "faults", fault).await;
}

async fn what_may_not_be_read_is_asked_for_once_an_hour(engine: Engine) {
    let app = spawn_app(engine).await;
    let hidden = at_stripe(&app, &[("email", "ada@example.com")]).await;
    let hidden = hidden["id"].as_str().unwrap();
    refuse_customers(&app).await;
    names(&app, hidden).await;
    eventually(|| async { (asked(&app, hidden).await > 0).then_some(()) }).await;
    // Nor is another of its kind asked for.
    names(&app, "cus_other").await;
    for _ in 0..3 {
        assert!(
            !missing_objects::step(&app.app).await.unwrap(),
            "nothing is due"
        );
        app.clock.advance(60);
    }
    assert_eq!(asked(&app, hidden).await, 1);
    assert_eq!(asked(&app, "cus_other").await, 0);
    // By then somebody may have given it the permission.
    app.control("DELETE", "faults", Value::Null).await;
    app.clock.advance(60 * 60);
    eventually(|| row(&app, hidden)).await;
}

/// On one thread, so that what the program logs can be heard.
#[tokio::test]
async fn the_operator_is_told_what_the_key_may_not_read() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    refuse_customers(&app).await;
    names(&app, "cus_hidden").await;
    let told = eventually(|| async {
        let text = log.text();
        let line = text.lines().find(|line| line.contains("rak_customer_read"));
        line.map(str::to_owned)
    })
    .await;
    assert!(told.contains("WARN") && told.contains("Customer"), "{told}");
    assert!(told.contains("add the permission to the key"), "{told}");
    assert!(!told.contains("qs8Kgd"), "{told}");
}
