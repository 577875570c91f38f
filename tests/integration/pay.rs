//! The button that pays an open invoice: where it leads, and for whom.

use reqwest::Response;
use serde_json::{Value, json};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{Browser, TestApp, assert_redirect, customer_object, event, spawn_app},
    portal::next_event,
};

on_both_engines!(
    a_failed_payment_comes_first_and_leads_to_its_invoice,
    what_became_of_the_invoice_meanwhile_is_told,
    an_invoice_elsewhere_or_of_another_is_refused,
    who_comes_back_is_told_what_changed,
    what_needs_somebody_stands_first_however_old,
    an_open_page_says_what_changed,
);

const PAGE: &str = "https://invoice.stripe.com/i/acct_1/test_1";

fn invoice(customer: &str, status: &str, left: i64) -> Value {
    json!({
        "id": "in_1", "object": "invoice", "customer": customer, "status": status, "currency": "eur",
        "total": 4900, "amount_due": 4900, "amount_paid": 4900 - left, "amount_remaining": left,
        "attempt_count": 1, "created": 1_700_000_000, "hosted_invoice_url": PAGE,
    })
}

/// A customer with an invoice that could not be charged, and one that is well.
async fn failed(app: &TestApp) -> String {
    app.customer("ada@example.com", "Well").await;
    let failed = app.customer_at_stripe("ada@example.com").await;
    let object = invoice(&failed, "open", 4900);
    let posted = event("invoice.payment_failed", 1_700_000_001, object, Value::Null);
    assert_eq!(app.deliver(&posted).await.status(), 200);
    failed
}

/// What Stripe answers about the invoice from now on.
async fn at_stripe(app: &TestApp, object: &Value) {
    app.control("DELETE", "faults", Value::Null).await;
    let fault = json!({ "path": "/v1/invoices", "status": 200, "body": object.to_string() });
    app.control("POST", "faults", fault).await;
}

async fn pay(browser: &mut Browser<'_>, customer: &str) -> Response {
    let form = [("customer", customer), ("invoice", "in_1")];
    browser.post("/api/pay_invoice", &form).await
}

async fn a_failed_payment_comes_first_and_leads_to_its_invoice(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = failed(&app).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let page = browser.get("/billing").await.text().await.unwrap();
    let cards: Vec<_> = page.split("<article").skip(1).collect();
    assert!(cards[0].contains("Pay €49.00") && cards[0].contains("A payment of €49.00 failed."));
    assert!(!cards[1].contains("Pay "), "{}", cards[1]);
    assert!(!page.contains(PAGE), "the address is made at the click");
    at_stripe(&app, &invoice(&mine, "open", 4900)).await;
    let answer = pay(&mut browser, &mine).await;
    assert_redirect(&answer, PAGE);
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

async fn what_became_of_the_invoice_meanwhile_is_told(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = failed(&app).await;
    let mut browser = app.signed_in("ada@example.com").await;
    at_stripe(&app, &invoice(&mine, "paid", 0)).await;
    let place = format!("/billing?problem=settled&customer={mine}");
    assert_redirect(&pay(&mut browser, &mine).await, &place);
    let page = browser.get(&place).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("settled already"), "{page}");
    assert!(!page.contains("Pay €49.00"), "what was read is kept");
    // One that the shop has written off can be paid all the same.
    at_stripe(&app, &invoice(&mine, "uncollectible", 4900)).await;
    assert_redirect(&pay(&mut browser, &mine).await, PAGE);
}

async fn an_invoice_elsewhere_or_of_another_is_refused(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = failed(&app).await;
    let of_bob = app.customer_at_stripe("bob@example.com").await;
    let mut bob = app.signed_in("bob@example.com").await;
    for customer in [mine.as_str(), &of_bob, "cus_none", ""] {
        assert_eq!(pay(&mut bob, customer).await.status(), 404, "{customer}");
    }
    let unknown = [("customer", of_bob.as_str()), ("invoice", "in_none")];
    let answer = bob.post("/api/pay_invoice", &unknown).await;
    assert_eq!(answer.status(), 404);
    let page = answer.text().await.unwrap();
    assert!(page.contains("There is no such page"), "{page}");
    assert_eq!(app.stripe_calls().await, Vec::<String>::new());
    let mut ada = app.signed_in("ada@example.com").await;
    let mut elsewhere = invoice(&mine, "open", 4900);
    for url in [
        "https://evil.example/i/1",
        "http://invoice.stripe.com/i/1",
        "javascript:alert(1)",
    ] {
        elsewhere["hosted_invoice_url"] = json!(url);
        at_stripe(&app, &elsewhere).await;
        let answer = pay(&mut ada, &mine).await;
        let location = answer.headers()["location"].to_str().unwrap();
        assert!(
            location.starts_with("/billing?problem="),
            "{url}: {location}"
        );
    }
    // By Stripe's word it is another's.
    at_stripe(&app, &invoice(&of_bob, "open", 4900)).await;
    assert_eq!(pay(&mut ada, &mine).await.status(), 404);
    // A key that may not read invoices leads to the portal.
    app.control("DELETE", "faults", Value::Null).await;
    let refused = json!({
        "path": "/v1/invoices", "status": 403,
        "body": json!({ "error": { "message": "Having the 'rak_invoice_read' permission would allow this." } }).to_string(),
    });
    app.control("POST", "faults", refused).await;
    let answer = pay(&mut ada, &mine).await;
    let location = answer.headers()["location"].to_str().unwrap();
    assert!(location.contains("/p/session/"), "{location}");
}

async fn who_comes_back_is_told_what_changed(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = failed(&app).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let back = format!("/billing?back=1700000001+{mine}");
    let open = browser.get(&back).await.text().await.unwrap();
    assert!(open.contains("€49.00 is still to be paid."), "{open}");
    let object = invoice(&mine, "paid", 0);
    let paid = event("invoice.paid", 1_700_000_009, object, Value::Null);
    assert_eq!(app.deliver(&paid).await.status(), 200);
    let page = browser.get(&back).await.text().await.unwrap();
    assert!(page.contains("Your payment has arrived."), "{page}");
    let later = format!("/billing?back=1700000009+{mine}");
    let page = browser.get(&later).await.text().await.unwrap();
    assert!(page.contains("Nothing has changed so far."), "{page}");
    // Nothing is said of another's, or of what cannot be read.
    let of_bob = app.customer_at_stripe("bob@example.com").await;
    for odd in [
        format!("1+{of_bob}"),
        "x+y".to_owned(),
        "1".to_owned(),
        "%00+%00".to_owned(),
    ] {
        let page = browser.get(&format!("/billing?back={odd}")).await;
        assert_eq!(page.status(), 200, "{odd}");
        let page = page.text().await.unwrap();
        assert!(
            !page.contains("changed so far") && !page.contains("arrived"),
            "{odd}"
        );
    }
}

/// The newest first, where nothing is to be done.
async fn what_needs_somebody_stands_first_however_old(engine: Engine) {
    let app = spawn_app(engine).await;
    let ids = ["cus_failed", "cus_waiting", "cus_well", "cus_newest"];
    for (id, created) in ids.into_iter().zip(1_600_000_000..) {
        let mut customer = customer_object(id, "ada@example.com", id);
        customer["created"] = json!(created);
        let posted = event("customer.created", 1_700_000_000, customer, Value::Null);
        assert_eq!(app.deliver(&posted).await.status(), 200);
    }
    let waiting = json!({
        "id": "sub_1", "object": "subscription", "customer": "cus_waiting", "status": "incomplete",
        "created": 1_700_000_000, "items": { "data": [] },
    });
    for (r#type, object) in [
        ("customer.subscription.created", waiting),
        (
            "invoice.payment_failed",
            invoice("cus_failed", "open", 4900),
        ),
    ] {
        let posted = event(r#type, 1_700_000_001, object, Value::Null);
        assert_eq!(app.deliver(&posted).await.status(), 200);
    }
    let mut browser = app.signed_in("ada@example.com").await;
    let page = browser.get("/billing").await.text().await.unwrap();
    let cards: Vec<_> = page.split("<article").skip(1).collect();
    let wanted = ["cus_failed", "cus_waiting", "cus_newest", "cus_well"];
    assert_eq!(cards.len(), wanted.len());
    for (card, id) in cards.into_iter().zip(wanted) {
        assert!(card.contains(id), "{id} is not in its place: {card}");
    }
}

/// What changes while the page of a person who came back is open.
async fn an_open_page_says_what_changed(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = failed(&app).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let live = format!("/billing/live?back=1700000001+{mine}");
    let mut stream = browser.get(&live).await;
    let open = news(&mut stream).await;
    assert_eq!(open.as_deref(), Some("€49.00 is still to be paid."));
    let object = invoice(&mine, "paid", 0);
    let paid = event("invoice.paid", 1_700_000_009, object, Value::Null);
    assert_eq!(app.deliver(&paid).await.status(), 200);
    let arrived = news(&mut stream).await;
    assert_eq!(arrived.as_deref(), Some("Your payment has arrived."));
    // Who did not come back from Stripe is told nothing.
    let mut stream = browser.get("/billing/live").await;
    assert_eq!(news(&mut stream).await, None);
}

/// What the next list of a stream comes with.
async fn news(stream: &mut Response) -> Option<String> {
    let event = next_event(stream).await;
    let json = event.strip_prefix("event: customers\ndata: ").unwrap();
    let (_, news): (Vec<Value>, Option<String>) = serde_json::from_str(json).unwrap();
    news
}
