//! What can be ordered of the stand-in: broken answers, limits, unruly deliveries, crowds.

use std::{collections::HashSet, time::Duration};

use billhook_sandbox::Options;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Sandbox, eventually, with_receiver};

#[tokio::test]
async fn a_truncated_answer_ends_before_its_announced_length() {
    let stripe = Sandbox::empty().await;
    let fault = json!({ "path": "/v1/customers", "truncate": true, "times": 1 });
    stripe.order("faults", fault).await;
    let whole = stripe
        .send("GET", "/v1/products", &[])
        .await
        .bytes()
        .await
        .unwrap();
    let answer = stripe.send("GET", "/v1/customers", &[]).await;
    assert_eq!(answer.status(), 200);
    let announced = answer.content_length().unwrap();
    assert!(announced.abs_diff(whole.len() as u64) < 10);
    let mut answer = answer;
    let mut got = 0;
    let broken = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => got += chunk.len() as u64,
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken);
    assert_eq!(got, announced / 2);
    stripe.get("/v1/customers").await;
    let wrong = json!({ "truncate": true, "status": 500 });
    let url = format!("{}/_sandbox/faults", stripe.url);
    let answer = stripe.http.post(url).json(&wrong).send().await.unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn an_answer_can_be_lost_and_can_drip() {
    let stripe = Sandbox::empty().await;
    let lost = json!({ "path": "/v1/customers", "reset": true, "times": 1 });
    stripe.order("faults", lost).await;
    let request = stripe.http.post(format!("{}/v1/customers", stripe.url));
    let request = request
        .bearer_auth("sk_test_billhook")
        .form(&[("name", "Made")]);
    assert!(request.send().await.is_err(), "not even a status came");
    let list = stripe.get("/v1/customers").await;
    assert_eq!(
        list["data"][0]["name"], "Made",
        "the request was carried out"
    );

    let drip = json!({ "path": "/v1/customers", "drip_ms": 1, "times": 1 });
    stripe.order("faults", drip).await;
    let began = Instant::now();
    let answer = stripe.send("GET", "/v1/customers", &[]).await;
    let begun = began.elapsed();
    let dripped = answer.bytes().await.unwrap();
    let least = Duration::from_millis(dripped.len() as u64 / 2);
    assert!(
        begun < least && began.elapsed() > least,
        "the head comes at once, and the rest slowly"
    );
    assert_eq!(serde_json::from_slice::<Value>(&dripped).unwrap(), list);
}

#[tokio::test]
async fn requests_beyond_the_rate_are_refused_without_a_time_to_come_back() {
    let stripe = Sandbox::empty().await;
    stripe.order("rate", json!({ "per_second": 5 })).await;
    let mut refused = 0;
    for _ in 0..20 {
        let answer = stripe.send("GET", "/v1/customers", &[]).await;
        if answer.status() == 429 {
            assert!(!answer.headers().contains_key("retry-after"));
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["error"]["code"], "rate_limit");
            refused += 1;
        }
    }
    assert!(refused >= 5, "{refused}");
    let url = format!("{}/_sandbox/rate", stripe.url);
    let counts: Value = stripe
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        counts,
        json!({ "per_second": 5, "served": 20 - refused, "refused": refused })
    );
    stripe.order("rate", json!({ "per_second": null })).await;
    for _ in 0..20 {
        stripe.get("/v1/customers").await;
    }
}

#[tokio::test]
async fn held_deliveries_come_shuffled_and_some_twice() {
    let (stripe, receiver) = with_receiver().await;
    stripe.order("delivery", json!({ "hold": true })).await;
    for number in 0..100 {
        let text = format!("{number:03}");
        stripe
            .post("/v1/customers", &[("description", &text)])
            .await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(receiver.events().is_empty());
    let unruly = json!({ "shuffle": true, "duplicates": 30 });
    stripe.order("delivery", unruly).await;
    let came = eventually(|| async {
        let came = receiver.descriptions();
        let known: HashSet<&String> = came.iter().collect();
        (known.len() == 100 && came.len() > 100).then_some(came)
    })
    .await;
    assert!(!came.is_sorted());
    let url = format!("{}/_sandbox/delivery", stripe.url);
    eventually(|| async {
        let shown: Value = stripe
            .http
            .get(&url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        (shown["undelivered"] == 0).then_some(())
    })
    .await;
    let pending = stripe.get("/v1/events?delivery_success=false").await;
    assert_eq!(pending["data"], json!([]));
}

#[tokio::test]
async fn a_delay_holds_every_event_back_for_a_while() {
    let (stripe, receiver) = with_receiver().await;
    stripe.order("delivery", json!({ "delay_ms": 400 })).await;
    let begun = Instant::now();
    stripe.post("/v1/customers", &[]).await;
    eventually(|| async { (!receiver.events().is_empty()).then_some(()) }).await;
    assert!(begun.elapsed() >= Duration::from_millis(400));
}

/// Release builds reach several thousand; this one is for tests.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_a_second_are_delivered() {
    let (stripe, receiver) = with_receiver().await;
    stripe.order("delivery", json!({ "hold": true })).await;
    let calls = (0..1_000).map(|number| {
        let stripe = &stripe;
        async move {
            let text = number.to_string();
            stripe
                .post("/v1/customers", &[("description", &text)])
                .await;
        }
    });
    let calls = futures::stream::iter(calls);
    futures::StreamExt::for_each_concurrent(calls, 16, |call| call).await;
    let begun = Instant::now();
    stripe.order("delivery", json!({})).await;
    eventually(|| async { (receiver.count() >= 1_000).then_some(()) }).await;
    let took = begun.elapsed();
    // On a machine that has other work too.
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn a_crowd_can_be_read_page_by_page_and_by_time() {
    let stripe = Sandbox::empty().await;
    let crowd = json!({ "count": 5_000, "per_second_of_created": 10 });
    stripe.order("customers", crowd).await;
    let page = stripe.get("/v1/customers?limit=100").await;
    assert_eq!(page["has_more"], true);
    let newest = page["data"][0]["created"].as_i64().unwrap();
    let (from, to) = (newest - 20, newest - 10);
    let path = format!("/v1/customers?limit=100&created[gte]={from}&created[lt]={to}");
    let page = stripe.get(&path).await;
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["has_more"]),
        (100, &json!(false))
    );
    assert!(stripe.events().await.is_empty());
}

#[tokio::test]
async fn every_answer_tells_the_time() {
    let stripe = Sandbox::empty().await;
    for path in ["/v1/customers", "/v1/customers/cus_nobody", "/v1/nothing"] {
        let answer = stripe.send("GET", path, &[]).await;
        let date = answer.headers()["date"].to_str().unwrap();
        let told = httpdate::parse_http_date(date).unwrap();
        let age = told.elapsed().unwrap_or_default();
        assert!(age < Duration::from_secs(5), "{date}");
    }
}

#[tokio::test]
async fn the_links_of_the_example_invoices_lead_somewhere() {
    let options = Options {
        seed: true,
        ..Options::default()
    };
    let stripe = Sandbox::spawn(options).await;
    let invoices = stripe.get("/v1/invoices?limit=100").await;
    let mut currencies = HashSet::new();
    for invoice in invoices["data"].as_array().unwrap() {
        currencies.insert(invoice["currency"].as_str().unwrap().to_owned());
        let page = invoice["hosted_invoice_url"].as_str().unwrap();
        let page = stripe.http.get(page).send().await.unwrap();
        assert_eq!(page.status(), 200);
        assert!(
            page.text()
                .await
                .unwrap()
                .contains(invoice["number"].as_str().unwrap())
        );
        let pdf = invoice["invoice_pdf"].as_str().unwrap();
        let pdf = stripe.http.get(pdf).send().await.unwrap();
        assert_eq!(pdf.headers()["content-type"], "application/pdf");
        assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF-1.4"));
    }
    assert!(
        ["eur", "usd", "jpy"]
            .iter()
            .all(|currency| currencies.contains(*currency))
    );
    let ada = stripe.get("/v1/customers?email=ada@example.com").await;
    let mut states = Vec::new();
    for customer in ada["data"].as_array().unwrap() {
        let id = customer["id"].as_str().unwrap();
        let theirs = stripe
            .get(&format!("/v1/subscriptions?customer={id}"))
            .await;
        states.push(theirs["data"][0]["status"].as_str().unwrap().to_owned());
    }
    states.sort();
    assert_eq!(states, ["active", "past_due", "trialing"]);
}
