//! The list of signed-in devices: whose it is, and signing out one of them and all.

use std::time::Duration;

use billhook::store;
use futures::FutureExt;
use reqwest::header;
use serde_json::Value;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{Browser, assert_redirect, customer_object, event, spawn_app},
    operator::said,
};

on_both_engines!(
    checklist_22_one_device_signs_another_out,
    checklist_22_signing_out_everywhere_ends_all_of_the_address,
    checklist_22_the_operator_signs_an_address_out,
    checklist_22_an_address_that_leaves_stripe_is_signed_out,
    devices_are_those_that_are_live,
);

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 \
     (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1";

async fn page(browser: &mut Browser<'_>) -> String {
    let answer = browser.get("/devices").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()[header::CACHE_CONTROL],
        "no-store, no-transform"
    );
    answer.text().await.unwrap()
}

/// The handles on the page, in their order.
fn handles(page: &str) -> Vec<String> {
    let parts = page.split("name=\"handle\" value=\"").skip(1);
    parts
        .map(|part| part.split('"').next().unwrap().to_owned())
        .collect()
}

/// Its cookie signs nobody in; it keeps strangers from locking the browser out.
fn assert_only_the_device_is_known(browser: &Browser<'_>) {
    let left: Vec<_> = browser.cookies.keys().collect();
    assert_eq!(left, ["billhook_device"]);
}

async fn checklist_22_one_device_signs_another_out(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut laptop = app.signed_in_from("ada@example.com", FIREFOX).await;
    app.clock.advance(60 * 60 - 31 * 60);
    let mut phone = app.signed_in_from("ada@example.com", SAFARI).await;
    let mut bob = app.signed_in("bob@example.com").await;

    let seen = page(&mut laptop).await;
    assert_eq!(seen.matches("This device").count(), 1, "{seen}");
    for words in ["Firefox on Linux", "Safari on an iPhone", "29 minutes ago"] {
        assert!(seen.contains(words), "{words}: {seen}");
    }
    assert!(!seen.contains("bob@example.com") && !seen.contains("ses_"));
    let listed = handles(&seen);
    let of_bob = handles(&page(&mut bob).await);
    assert_eq!((listed.len(), of_bob.len()), (2, 1));
    assert!(!listed.contains(&of_bob[0]));

    // Another's handle and an unknown one do nothing, and are answered alike.
    let answer = bob
        .post("/api/end_session", &[("handle", &listed[0])])
        .await;
    assert_redirect(&answer, "/devices");
    for handle in [of_bob[0].as_str(), "0123456789abcdef", ""] {
        let answer = laptop.post("/api/end_session", &[("handle", handle)]).await;
        assert_redirect(&answer, "/devices");
    }
    for browser in [&mut laptop, &mut phone, &mut bob] {
        assert_eq!(browser.get("/billing").await.status(), 200);
    }

    let answer = laptop
        .post("/api/end_session", &[("handle", &listed[1])])
        .await;
    assert_redirect(&answer, "/devices");
    assert_redirect(&phone.get("/billing").await, "/");
    assert_eq!(handles(&page(&mut laptop).await), listed[..1]);

    let mut copy = app.browser();
    copy.cookies = laptop.cookies.clone();
    let answer = laptop
        .post("/api/end_session", &[("handle", &listed[0])])
        .await;
    assert_redirect(&answer, "/");
    assert_only_the_device_is_known(&laptop);
    assert!(answer.headers().contains_key("clear-site-data"));
    assert_redirect(&copy.get("/devices").await, "/");
    assert_eq!(bob.get("/billing").await.status(), 200);
}

async fn checklist_22_signing_out_everywhere_ends_all_of_the_address(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut here = app.signed_in("ada@example.com").await;
    let mut there = app.signed_in("ada@example.com").await;
    let mut bob = app.signed_in("bob@example.com").await;
    let mut stream = there.get("/billing/live").await;
    let answer = here.post("/api/sign_out_everywhere", &[]).await;
    assert_redirect(&answer, "/");
    assert_only_the_device_is_known(&here);
    assert!(answer.headers().contains_key("clear-site-data"));
    // Its open page is told at once.
    let mut text = String::new();
    while !text.contains("signed-out") {
        let chunk = tokio::time::timeout(Duration::from_secs(10), stream.chunk());
        let chunk = chunk.await.unwrap().unwrap().expect("it is told");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let refused = there
        .post(
            "/api/open_portal",
            &[("customer", "cus_1"), ("flow", "home")],
        )
        .await;
    assert_redirect(&refused, "/");
    assert_eq!(bob.get("/billing").await.status(), 200);
}

async fn checklist_22_the_operator_signs_an_address_out(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut ada = app.signed_in("ada@example.com").await;
    let mut bob = app.signed_in("bob@example.com").await;
    let sign_out = ["account", "sign-out", " Ada@Example.com "];
    assert_eq!(said(&app, &sign_out).await, "1 sessions ended\n");
    assert_redirect(&ada.get("/billing").await, "/");
    assert_eq!(bob.get("/billing").await.status(), 200);
    let again = ["account", "sign-out", "ada@example.com", "--json"];
    assert_eq!(said(&app, &again).await, "{\"sessions_ended\":0}\n");
}

async fn checklist_22_an_address_that_leaves_stripe_is_signed_out(engine: Engine) {
    let app = spawn_app(engine).await;
    let one = app.customer("ada@example.com", "One").await;
    let two = app.customer("ada@example.com", "Two").await;
    let mut ada = app.signed_in("ada@example.com").await;
    // Whoever never had a customer here is none of this.
    let mut bob = app.signed_in("bob@example.com").await;
    let deliver = async |r#type: &str, id: &str, email: &str| {
        let object = customer_object(id, email, "Ada");
        let event = event(r#type, 1_700_000_001, object, Value::Null);
        assert_eq!(app.deliver(&event).await.status(), 200);
    };
    deliver("customer.updated", &one, "ada@example.com").await;
    deliver("customer.deleted", &one, "ada@example.com").await;
    assert_eq!(ada.get("/billing").await.status(), 200, "one is left");
    let mut stream = ada.get("/billing/live").await;
    deliver("customer.updated", &two, "ada@example.net").await;
    assert_redirect(&ada.get("/billing").await, "/");
    let mut text = String::new();
    while !text.contains("signed-out") {
        let chunk = tokio::time::timeout(Duration::from_secs(10), stream.chunk());
        let chunk = chunk.await.unwrap().unwrap().expect("it is told");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    assert_eq!(bob.get("/billing").await.status(), 200);
}

async fn devices_are_those_that_are_live(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut ada = app.signed_in("ada@example.com").await;
    app.signed_in("ada@example.com").await;
    let mut signed_out = app.signed_in("ada@example.com").await;
    signed_out.post("/api/sign_out", &[]).await;
    assert_eq!(handles(&page(&mut ada).await).len(), 2);
    app.clock.advance(29 * 60);
    let seen = page(&mut ada).await;
    assert!(seen.contains("A browser that we cannot name"), "{seen}");
    assert_eq!(handles(&seen).len(), 2);
    app.clock.advance(2 * 60);
    assert_eq!(handles(&page(&mut ada).await).len(), 1, "one is idle");
    // The row of a session says when it was used, to the minute.
    let id = ada.cookies["billhook_refresh"].split('.').next();
    let id = id.unwrap().to_owned();
    let row = app
        .app
        .store
        .read(move |tx| async move { store::session::find(tx, &id).await }.boxed());
    let row = row.await.unwrap().unwrap();
    assert!(app.clock.now() - row.active_at < 180, "{row:?}");
}
