//! Clicks while Stripe is in trouble, and more clicks than there may be.

use std::{
    io,
    num::NonZeroU32,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use billhook::{config::Secret, stripe};
use reqwest::Response;
use serde_json::{Value, json};
use tracing::{Dispatch, subscriber::NoSubscriber};
use url::Url;

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{
        Browser, TestApp, assert_redirect, customer_object, event, spawn_app, spawn_app_with,
    },
};

on_both_engines!(
    checklist_38_after_five_failures_stripe_is_left_alone,
    checklist_38_one_customer_that_fails_closes_the_portal_for_nobody_else,
    checklist_38_when_what_is_read_fails_for_several_stripe_is_left_alone,
    checklist_38_a_lost_answer_is_asked_for_under_the_same_key,
    checklist_39_ten_clicks_a_minute_and_each_link_works,
    checklist_39_many_clicks_stay_within_the_accounts_budget,
    what_the_operator_must_mend_is_called_so,
    a_portal_session_says_language_and_configuration,
);

pub const SESSIONS: &str = "/v1/billing_portal/sessions";
/// Stripe's words, with what is left of a key in them.
const REFUSAL: &str = "The provided key 'rk_test_*********************************qs8Kgd' does not \
    have the required permissions for this endpoint on account 'acct_1Fake'. Having the \
    'rak_customer_portal_write' permission would allow this request to continue.";

pub async fn click(browser: &mut Browser<'_>, customer: &str) -> Response {
    let form = [("customer", customer), ("flow", "home")];
    browser.post("/api/open_portal", &form).await
}

fn location(answer: &Response) -> &str {
    let location = answer.headers().get("location");
    location.map_or("", |location| location.to_str().unwrap())
}

/// The calls that were to make a portal session.
async fn tries(app: &TestApp) -> Vec<Value> {
    let log = app.control("GET", "requests", Value::Null).await;
    let calls = log["requests"].as_array().unwrap().iter();
    calls
        .filter(|call| call["path"] == SESSIONS)
        .cloned()
        .collect()
}

/// What Stripe does, where the click leads then, and how often it is tried.
fn faults() -> Vec<(&'static str, Value, &'static str, usize)> {
    let answer = |status: u16| json!({ "path": SESSIONS, "status": status });
    vec![
        ("429", answer(429), "unavailable", 2),
        ("500", answer(500), "unavailable", 2),
        ("402", answer(402), "unavailable", 1),
        ("401", answer(401), "not-set-up", 1),
        ("403", answer(403), "not-set-up", 1),
        ("409", answer(409), "unavailable", 2),
        (
            "timeout",
            json!({ "path": SESSIONS, "hang": true }),
            "unavailable",
            2,
        ),
        (
            "drip",
            json!({ "path": SESSIONS, "drip_ms": 200 }),
            "unavailable",
            2,
        ),
        (
            "bad JSON",
            json!({ "path": SESSIONS, "status": 200, "body": "{\"url\":" }),
            "unavailable",
            2,
        ),
        (
            "half an answer",
            json!({ "path": SESSIONS, "truncate": true }),
            "unavailable",
            2,
        ),
        (
            "reset",
            json!({ "path": SESSIONS, "reset": true }),
            "unavailable",
            2,
        ),
        (
            "silence about the customer",
            json!({ "path": "/v1/customers", "hang": true }),
            "unavailable",
            1,
        ),
        (
            "everything hangs",
            json!({ "hang": true }),
            "unavailable",
            2,
        ),
        ("DNS failure", Value::Null, "unavailable", 0),
    ]
}

/// On one engine: the database plays no part in it, and so many programs at once would need more
/// connections than a Postgres has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_38_every_fault_is_answered_in_time_and_troubles_nobody_else() {
    let rows = faults()
        .into_iter()
        .map(|(what, fault, problem, tries)| one_fault(what, fault, problem, tries));
    // Side by side: most of them are waiting.
    futures::future::join_all(rows).await;
}

async fn one_fault(what: &str, fault: Value, problem: &str, expected: usize) {
    let app = spawn_app_with(&database_url(Engine::Sqlite).await, |app| {
        if fault.is_null() {
            let nowhere = Url::parse("https://stripe.invalid").unwrap();
            let key = Secret::new("sk_test_billhook");
            app.stripe = stripe::Client::new(nowhere, key, Vec::new()).unwrap();
        }
    })
    .await;
    let broken = app.customer_at_stripe("ada@example.com").await;
    let other = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    if !fault.is_null() {
        app.control("POST", "faults", fault).await;
    }
    let began = Instant::now();
    let beside = async {
        app.signed_in("bob@example.com").await;
        let news = customer_object("cus_news", "ada@example.com", "News");
        let news = event("customer.created", 1_700_000_000, news, Value::Null);
        assert_eq!(app.deliver(&news).await.status(), 200, "{what}");
        began.elapsed()
    };
    let clicking = async {
        let answer = click(&mut ada, &broken).await;
        (answer, began.elapsed())
    };
    let ((answer, took), beside) = tokio::join!(clicking, beside);
    assert!(took < Duration::from_secs(8), "{what}: {took:?}");
    assert!(
        beside < Duration::from_secs(8),
        "{what}: sign-in and webhook took {beside:?}"
    );
    let place = format!("/billing?problem={problem}&customer={broken}");
    assert_redirect(&answer, &place);
    assert_eq!(tries(&app).await.len(), expected, "{what}");
    let page = ada.get(&place).await;
    assert_eq!(page.status(), 503, "{what}");
    assert_eq!(page.headers()["retry-after"], "5", "{what}");
    let page = page.text().await.unwrap();
    assert_eq!(page.matches("role=\"alert\"").count(), 1, "{what}: {page}");
    for shown in [broken.as_str(), &other, "cus_news"] {
        assert!(
            page.contains(shown),
            "{what}: the whole list is there: {page}"
        );
    }
    assert_eq!(ada.get("/billing").await.status(), 200, "{what}");
}

async fn checklist_38_after_five_failures_stripe_is_left_alone(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    let fault = json!({ "path": SESSIONS, "status": 500 });
    app.control("POST", "faults", fault).await;
    let place = format!("/billing?problem=unavailable&customer={mine}");
    for _ in 0..5 {
        assert_redirect(&click(&mut ada, &mine).await, &place);
    }
    let before = app.stripe_calls().await.len();
    assert_eq!(tries(&app).await.len(), 10, "each click tried twice");
    for _ in 0..3 {
        let began = Instant::now();
        assert_redirect(&click(&mut ada, &mine).await, &place);
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    assert_eq!(app.stripe_calls().await.len(), before, "nothing was asked");
    app.signed_in("bob@example.com").await;
}

async fn checklist_38_one_customer_that_fails_closes_the_portal_for_nobody_else(engine: Engine) {
    let app = spawn_app(engine).await;
    let broken = app.customer_at_stripe("ada@example.com").await;
    let other = app.customer_at_stripe("ada@example.com").await;
    let of_bob = app.customer_at_stripe("bob@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    let mut bob = app.signed_in("bob@example.com").await;
    let fault = json!({ "path": SESSIONS, "match": broken, "status": 500 });
    app.control("POST", "faults", fault).await;
    for _ in 0..6 {
        click(&mut ada, &broken).await;
    }
    assert_eq!(tries(&app).await.len(), 10, "it rests after five");
    for (browser, customer) in [(&mut ada, &other), (&mut bob, &of_bob)] {
        let answer = click(browser, customer).await;
        assert!(location(&answer).starts_with(&app.stripe_url), "{answer:?}");
    }
    // What Stripe refuses one customer for good is no failure of Stripe's.
    for status in [400, 402, 404] {
        app.control("DELETE", "faults", Value::Null).await;
        let fault = json!({ "path": SESSIONS, "match": other, "status": status });
        app.control("POST", "faults", fault).await;
        click(&mut ada, &other).await;
    }
    // Five in a row of two are.
    app.control("POST", "faults", json!({ "path": SESSIONS, "status": 500 }))
        .await;
    let of_eve = app.customer_at_stripe("eve@example.com").await;
    let mut eve = app.signed_in("eve@example.com").await;
    for _ in 0..4 {
        click(&mut bob, &of_bob).await;
    }
    click(&mut eve, &of_eve).await;
    app.control("DELETE", "faults", Value::Null).await;
    let before = app.stripe_calls().await.len();
    let place = format!("/billing?problem=unavailable&customer={of_eve}");
    assert_redirect(&click(&mut eve, &of_eve).await, &place);
    assert_eq!(app.stripe_calls().await.len(), before, "nothing was asked");
}

async fn checklist_38_when_what_is_read_fails_for_several_stripe_is_left_alone(engine: Engine) {
    let app = spawn_app(engine).await;
    let of_ada = app.customer_at_stripe("ada@example.com").await;
    let of_bob = app.customer_at_stripe("bob@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    let mut bob = app.signed_in("bob@example.com").await;
    let fault = json!({ "path": "/v1/customers", "status": 500 });
    app.control("POST", "faults", fault).await;
    for _ in 0..4 {
        click(&mut ada, &of_ada).await;
    }
    click(&mut bob, &of_bob).await;
    let before = app.stripe_calls().await.len();
    let place = format!("/billing?problem=unavailable&customer={of_bob}");
    assert_redirect(&click(&mut bob, &of_bob).await, &place);
    assert_eq!(app.stripe_calls().await.len(), before, "nothing was asked");
}

async fn checklist_38_a_lost_answer_is_asked_for_under_the_same_key(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    for (fault, is_same) in [
        (json!({ "path": SESSIONS, "reset": true, "times": 1 }), true),
        // What was answered with a failure would be answered so again.
        (
            json!({ "path": SESSIONS, "status": 500, "times": 1 }),
            false,
        ),
    ] {
        app.control("DELETE", "requests", Value::Null).await;
        app.control("POST", "faults", fault.clone()).await;
        let answer = click(&mut ada, &mine).await;
        assert!(location(&answer).starts_with(&app.stripe_url), "{answer:?}");
        let tries = tries(&app).await;
        assert_eq!(tries.len(), 2, "{fault}");
        let key = |at: usize| tries[at]["headers"]["idempotency-key"].as_str().unwrap();
        assert_eq!(key(0) == key(1), is_same, "{fault}");
    }
}

async fn checklist_39_ten_clicks_a_minute_and_each_link_works(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    let mut links = std::collections::BTreeSet::new();
    for number in 1..=10 {
        let answer = click(&mut ada, &mine).await;
        assert!(
            location(&answer).starts_with(&app.stripe_url),
            "{number}: {answer:?}"
        );
        links.insert(location(&answer).to_owned());
    }
    assert_eq!(links.len(), 10);
    for link in &links {
        assert_eq!(app.http.get(link).send().await.unwrap().status(), 200);
    }
    let calls = app.stripe_calls().await.len();
    let answer = click(&mut ada, &mine).await;
    assert_eq!(answer.status(), 429);
    let wait: i64 = answer.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    assert!(
        answer
            .text()
            .await
            .unwrap()
            .contains("A short pause, please")
    );
    assert_eq!(app.stripe_calls().await.len(), calls, "Stripe is not asked");
    assert_eq!(ada.get("/billing").await.status(), 200);
    // Who is refused anyway is told the same as before.
    assert_eq!(click(&mut ada, "cus_unknown").await.status(), 404);
    // Another session has its own.
    let mut elsewhere = app.signed_in("ada@example.com").await;
    assert_eq!(click(&mut elsewhere, &mine).await.status(), 303);
    app.clock.advance(wait);
    assert_eq!(click(&mut ada, &mine).await.status(), 303);
}

async fn checklist_39_many_clicks_stay_within_the_accounts_budget(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    // What Stripe allows in a sandbox.
    app.control("POST", "rate", json!({ "per_second": 25 }))
        .await;
    let mut browsers = Vec::new();
    for _ in 0..2 {
        let browser = app.signed_in("ada@example.com").await;
        for _ in 0..6 {
            let mut tab = app.browser();
            tab.cookies = browser.cookies.clone();
            browsers.push(tab);
        }
    }
    let began = Instant::now();
    let clicks = browsers.iter_mut().map(|browser| click(browser, &mine));
    for answer in futures::future::join_all(clicks).await {
        assert!(location(&answer).starts_with(&app.stripe_url), "{answer:?}");
    }
    // 24 calls, two at once and then 20 a second.
    assert!(
        began.elapsed() >= Duration::from_millis(1_050),
        "{:?}",
        began.elapsed()
    );
    let rate = app.control("GET", "rate", Value::Null).await;
    assert_eq!(rate["refused"], 0, "{rate}");
}

#[tokio::test]
async fn checklist_39_who_waits_too_long_for_a_turn_is_told() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let base = Url::parse("https://stripe.invalid").unwrap();
    let client = stripe::Client::new(base, Secret::new("sk_test_billhook"), Vec::new()).unwrap();
    let client = client.at_rate(NonZeroU32::MIN);
    let two = NonZeroU32::new(2).unwrap();
    let began = Instant::now();
    let turns = (0..4).map(|_| client.admit("cus_1", two));
    let turns = futures::future::join_all(turns).await;
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert!(turns.iter().any(Result::is_ok));
    let busy =
        |turn: &Result<(), stripe::client::Error>| matches!(turn, Err(stripe::client::Error::Busy));
    assert!(
        turns.iter().filter(|turn| busy(turn)).count() >= 2,
        "{turns:?}"
    );
}

/// With a single dispatcher in the process, tracing-core takes the interest in a new callsite from the thread that reaches it
/// first, and caches for all threads that nothing listens (`has_just_one` in its `callsite.rs`). With more it asks all of them.
pub static OTHERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(NoSubscriber::default())));

/// What is logged, for one thread.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Hears all of this thread for as long as the guard lives.
    pub fn listen() -> (Log, tracing::subscriber::DefaultGuard) {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        LazyLock::force(&OTHERS);
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, some: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(some);
        Ok(some.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// On one thread, so that all that the program logs can be heard.
#[tokio::test]
async fn checklist_40_the_operator_is_told_which_permission_is_missing_and_the_customer_is_not() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    let body =
        json!({ "error": { "type": "invalid_request_error", "message": REFUSAL } }).to_string();
    for path in [SESSIONS, "/v1/customers"] {
        let fault = json!({ "path": path, "status": 403, "body": body });
        app.control("POST", "faults", fault).await;
    }
    let answer = click(&mut ada, &mine).await;
    let place = format!("/billing?problem=not-set-up&customer={mine}");
    assert_redirect(&answer, &place);
    let page = ada.get(&place).await;
    assert_eq!(page.status(), 503);
    let page = page.text().await.unwrap();
    assert!(page.contains("billing is not fully set up"), "{page}");
    assert!(
        !page.contains("rak_") && !page.contains("permission"),
        "{page}"
    );
    let text = log.text();
    let alarm = text
        .lines()
        .find(|line| line.contains("ERROR") && line.contains("stripe-key"))
        .unwrap_or_else(|| panic!("no alarm in {text}"));
    assert!(alarm.contains("rak_customer_portal_write"), "{alarm}");
    assert!(alarm.contains("add it to the key"), "{alarm}");
    for secret in ["qs8Kgd", "rk_test_", "acct_1Fake", "sk_test_billhook"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// Stripe's refusals that stay until somebody mends something at Stripe: trying again is not advised.
async fn what_the_operator_must_mend_is_called_so(engine: Engine) {
    const NOT_SAVED: &str = "No configuration provided and your test mode default configuration has not been \
        created. Provide a configuration or create your default by saving your customer portal settings.";
    const BY_ADDRESS: &str = "The API key provided does not allow requests from your IP address.";
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    for (path, status, message) in [
        (SESSIONS, 400, NOT_SAVED),
        (SESSIONS, 400, "No such customer: 'cus_1'"),
        (SESSIONS, 400, "No such configuration: 'bpc_1'"),
        (SESSIONS, 401, "Invalid API Key provided"),
        (SESSIONS, 403, BY_ADDRESS),
        (SESSIONS, 404, "Unrecognized request URL"),
        ("/v1/customers", 403, BY_ADDRESS),
    ] {
        let body = json!({ "error": { "message": message } }).to_string();
        let fault = json!({ "path": path, "status": status, "body": body });
        app.control("POST", "faults", fault).await;
        let place = format!("/billing?problem=not-set-up&customer={mine}");
        assert_redirect(&click(&mut ada, &mine).await, &place);
        let page = ada.get(&place).await.text().await.unwrap();
        assert!(
            page.contains("not fully set up") && !page.contains(message),
            "{message}"
        );
        app.control("DELETE", "faults", Value::Null).await;
        app.clock.advance(60);
    }
}

async fn a_portal_session_says_language_and_configuration(engine: Engine) {
    let app = spawn_app_with(&database_url(engine).await, |app| {
        let mut config = (*app.config).clone();
        config.portal_configuration = Some("bpc_1TestDefault".to_owned());
        app.config = Arc::new(config);
    })
    .await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    for (languages, locale) in [
        // A browser that does not say what it reads.
        ("", "auto"),
        ("de-CH", "de"),
        ("tlh, fr-CA;q=0.8, en;q=0.5", "fr-CA"),
        ("x'\"><script>", "auto"),
    ] {
        app.control("DELETE", "requests", Value::Null).await;
        ada.languages = languages;
        click(&mut ada, &mine).await;
        let form = &tries(&app).await[0]["form"];
        assert_eq!(form["configuration"], "bpc_1TestDefault");
        assert_eq!(form["locale"], locale, "{languages}");
    }
}
