//! The customer is read again at the click: what Stripe knows counts, and the mirror is mended.

use serde_json::{Value, json};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{Browser, TestApp, event, eventually, spawn_app, without_nonces},
};

on_both_engines!(
    checklist_33_a_customer_that_changed_at_stripe_is_refused_and_mended,
    checklist_33_a_row_of_the_same_second_is_mended_a_moment_later,
    checklist_33_a_key_that_may_not_read_goes_on_without,
    checklist_33_no_answer_about_the_customer_opens_nothing,
);

const SESSIONS: &str = "/v1/billing_portal/sessions";

/// What the portal's button of a customer is answered with: the status, and where it leads.
async fn click(browser: &mut Browser<'_>, customer: &str) -> (u16, String) {
    let form = [("customer", customer), ("flow", "home")];
    let answer = browser.post("/api/open_portal", &form).await;
    let location = answer.headers().get("location");
    let location = location
        .map_or("", |text| text.to_str().unwrap())
        .to_owned();
    (answer.status().as_u16(), location)
}

async fn at_stripe(app: &TestApp, method: &str, customer: &str, form: &[(&str, &str)]) {
    let url = format!("{}/v1/customers/{customer}", app.stripe_url);
    let request = app.http.request(method.parse().unwrap(), url);
    let request = request.bearer_auth("sk_test_billhook").form(form);
    assert_eq!(request.send().await.unwrap().status(), 200);
    app.control("DELETE", "requests", Value::Null).await;
}

/// Whether the page of this browser shows the customer.
async fn is_listed(browser: &mut Browser<'_>, customer: &str) -> bool {
    let page = browser.get("/billing").await;
    page.text().await.unwrap().contains(customer)
}

async fn checklist_33_a_customer_that_changed_at_stripe_is_refused_and_mended(engine: Engine) {
    let app = spawn_app(engine).await;
    let (moved, gone, kept) = (
        app.customer_at_stripe("ada@example.com").await,
        app.customer_at_stripe("ada@example.com").await,
        app.customer_at_stripe("ada@example.com").await,
    );
    at_stripe(&app, "POST", &moved, &[("email", "Bob@example.com")]).await;
    at_stripe(&app, "POST", &kept, &[("email", "ADA@example.com")]).await;
    at_stripe(&app, "DELETE", &gone, &[]).await;
    let mut ada = app.signed_in("ada@example.com").await;
    let mut bob = app.signed_in("bob@example.com").await;
    for id in [&moved, &gone, &kept] {
        assert!(is_listed(&mut ada, id).await, "no event has come");
    }
    let form = |id| [("customer", id), ("flow", "home")];
    let unknown = ada.post("/api/open_portal", &form("cus_unknown")).await;
    let unknown = (unknown.status(), without_nonces(unknown).await);
    for id in [&moved, &gone] {
        let answer = ada.post("/api/open_portal", &form(id.as_str())).await;
        assert!(!answer.headers().contains_key("location"));
        assert_eq!((answer.status(), without_nonces(answer).await), unknown);
        let read = format!("/v1/customers/{id}");
        assert!(app.stripe_calls().await.contains(&read));
        assert!(!is_listed(&mut ada, id).await, "the row was mended");
    }
    assert!(is_listed(&mut bob, &moved).await && !is_listed(&mut bob, &gone).await);
    // Another spelling is the same address.
    let (status, location) = click(&mut ada, &kept).await;
    assert_eq!(status, 303);
    assert!(location.starts_with(&app.stripe_url), "{location}");
    // Deleted is final: the customer's old event changes nothing.
    let late = event(
        "customer.updated",
        1_700_000_001,
        json!({ "id": gone, "object": "customer", "email": "ada@example.com" }),
        Value::Null,
    );
    assert_eq!(app.deliver(&late).await.status(), 200);
    assert!(!is_listed(&mut ada, &gone).await);
}

async fn checklist_33_a_row_of_the_same_second_is_mended_a_moment_later(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let object = json!({ "id": mine, "object": "customer", "email": "ada@example.com" });
    let just_now = event("customer.updated", app.clock.now(), object, Value::Null);
    assert_eq!(app.deliver(&just_now).await.status(), 200);
    at_stripe(&app, "POST", &mine, &[("email", "bob@example.com")]).await;
    let mut ada = app.signed_in("ada@example.com").await;
    assert_eq!(click(&mut ada, &mine).await, (404, String::new()));
    let ada = tokio::sync::Mutex::new(ada);
    eventually(|| async {
        let is_listed = is_listed(&mut *ada.lock().await, &mine).await;
        (!is_listed).then_some(())
    })
    .await;
}

async fn checklist_33_a_key_that_may_not_read_goes_on_without(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let message = "The provided key 'rk_test_***' does not have the required permissions for this \
        endpoint on account 'acct_1Fake'.";
    let body = json!({ "error": { "type": "invalid_request_error", "message": message } });
    let refusal = json!({ "path": "/v1/customers", "status": 403, "body": body.to_string() });
    app.control("POST", "faults", refusal).await;
    let mut ada = app.signed_in("ada@example.com").await;
    let read = format!("/v1/customers/{mine}");
    for expected in [1, 1] {
        let (_, location) = click(&mut ada, &mine).await;
        assert!(location.starts_with(&app.stripe_url), "{location}");
        let calls = app.stripe_calls().await;
        let reads = calls.iter().filter(|path| **path == read).count();
        assert_eq!(
            reads, expected,
            "what may not be read is not asked for again"
        );
    }
}

async fn checklist_33_no_answer_about_the_customer_opens_nothing(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    let path = format!("/v1/customers/{mine}");
    for (status, expected) in [(500, 303), (404, 404)] {
        let fault = json!({ "path": path, "status": status });
        app.control("POST", "faults", fault).await;
        let (answered, location) = click(&mut ada, &mine).await;
        assert_eq!(answered, expected, "{status}");
        assert!(!location.starts_with(&app.stripe_url), "{location}");
        assert!(app.stripe_calls().await.iter().any(|call| call == SESSIONS));
        // A customer of another account is no reason to forget ours.
        assert!(is_listed(&mut ada, &mine).await);
        app.control("DELETE", "faults", Value::Null).await;
    }
}
