//! What a copy of a browser's tokens hears by the stream of changes, and how much one cookie makes the server do.

use futures::FutureExt;
use reqwest::Response;
use serde_json::Value;

use crate::{
    contract,
    engines::{Engine, on_both_engines},
    helpers::{
        Browser, TestApp, assert_redirect, customer_object, event, eventually, set_cookies,
        spawn_app,
    },
    mails::settled,
};

on_both_engines!(
    checklist_19_a_copy_that_streams_is_noticed,
    checklist_19_an_access_token_alone_streams_nothing,
    checklist_19_a_stream_ends_when_its_token_is_replaced,
    checklist_13_what_one_cookie_makes_the_server_do_is_bounded,
    checklist_9_browsers_cannot_be_put_together_to_guess,
);

const ADA: &str = "ada@example.com";

/// Opens the stream as a browser does.
async fn open(app: &TestApp, browser: &Browser<'_>) -> Response {
    let cookies = browser.cookies.iter();
    let pairs: Vec<_> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let request = app
        .http
        .get(format!("{}/billing/live", app.url))
        .header("accept", "text/event-stream")
        .header("cookie", pairs.join("; "));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer
}

/// What comes until one of the two words, or the end.
async fn heard(stream: &mut Response) -> String {
    let mut text = String::new();
    while !text.contains("event: customers") && !text.contains("signed-out") {
        match stream.chunk().await.unwrap() {
            Some(chunk) => text.push_str(&String::from_utf8_lossy(&chunk)),
            None => break,
        }
    }
    text
}

async fn change(app: &TestApp, customer: &str, at: i64) {
    let object = customer_object(customer, ADA, &format!("Ada {at}"));
    let updated = event("customer.updated", at, object, Value::Null);
    assert_eq!(app.deliver(&updated).await.status(), 200);
}

async fn checklist_19_a_copy_that_streams_is_noticed(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut owner = app.signed_in(ADA).await;
    let mut copy = app.browser();
    copy.cookies.clone_from(&owner.cookies);
    app.clock.advance(6 * 60);
    owner.get("/billing").await;
    // At once it may be another tab, whose cookies are old for a moment.
    assert!(
        heard(&mut open(&app, &copy).await)
            .await
            .contains("event: customers")
    );
    assert_eq!(owner.get("/billing").await.status(), 200);
    app.clock.advance(11);
    let mut stream = open(&app, &owner).await;
    assert!(heard(&mut stream).await.contains("event: customers"));
    let mut answer = open(&app, &copy).await;
    assert!(heard(&mut answer).await.contains("signed-out"));
    assert!(
        heard(&mut stream).await.contains("signed-out"),
        "both are told"
    );
    assert_redirect(&owner.get("/billing").await, "/");
    let audit = contract::dump(&app.app.store, "audit").await;
    assert_eq!(audit.matches("reuse").count(), 1, "{audit}");
    let mails = || app.mails_to(ADA).into_iter();
    eventually(|| async {
        let mut about = mails().filter(|mail| mail.subject.contains("signed out"));
        about.next()
    })
    .await;
}

async fn checklist_19_an_access_token_alone_streams_nothing(engine: Engine) {
    let app = spawn_app(engine).await;
    let owner = app.signed_in(ADA).await;
    let mut copy = app.browser();
    copy.cookies.clone_from(&owner.cookies);
    copy.cookies.remove("billhook_refresh");
    assert!(
        heard(&mut open(&app, &copy).await)
            .await
            .contains("signed-out")
    );
    assert!(
        heard(&mut open(&app, &owner).await)
            .await
            .contains("event: customers")
    );
    // Nor beside a refresh token that has been replaced.
    let old = owner.cookies.clone();
    let mut owner = owner;
    app.clock.advance(6 * 60);
    owner.get("/billing").await;
    owner.get("/billing").await;
    app.clock.advance(11);
    copy.cookies.clone_from(&owner.cookies);
    let refresh = old["billhook_refresh"].clone();
    copy.cookies.insert("billhook_refresh".to_owned(), refresh);
    assert!(
        heard(&mut open(&app, &copy).await)
            .await
            .contains("signed-out")
    );
}

async fn checklist_19_a_stream_ends_when_its_token_is_replaced(engine: Engine) {
    let app = spawn_app(engine).await;
    let customer = app.customer(ADA, "Ada").await;
    let mut owner = app.signed_in(ADA).await;
    let mut copy = open(&app, &owner).await;
    assert!(heard(&mut copy).await.contains("event: customers"));
    change(&app, &customer, 1_700_000_001).await;
    assert!(heard(&mut copy).await.contains("Ada 1700000001"));
    app.clock.advance(6 * 60);
    owner.get("/billing").await;
    owner.get("/billing").await;
    app.clock.advance(11);
    change(&app, &customer, 1_700_000_002).await;
    assert_eq!(
        heard(&mut copy).await,
        "",
        "it ends without a word of the change"
    );
    let mut own = open(&app, &owner).await;
    assert!(heard(&mut own).await.contains("Ada 1700000002"));
    assert!(set_cookies(&own).is_empty());
}

/// The sign-ins that are of the browser with this cookie.
async fn of_browser(app: &TestApp, browser: &Browser<'_>) -> usize {
    let hash = billhook::domain::keys::sha256_hex(&browser.cookies["billhook_browser"]);
    let rows = contract::dump(&app.app.store, "sign_in").await;
    rows.lines().filter(|row| row.contains(&hash)).count()
}

async fn checklist_13_what_one_cookie_makes_the_server_do_is_bounded(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    app.ask(&mut browser, ADA).await;
    let code = app.code(ADA).await;
    let ticket = billhook::clock::random_token();
    for number in 0..40 {
        app.clock.advance(1);
        let mut asking = app.browser();
        asking.cookies.clone_from(&browser.cookies);
        let address = format!("nobody{number}@example.com");
        let form = [("email", address.as_str()), ("ticket", ticket.as_str())];
        let answer = asking.post("/api/ask_link", &form).await;
        assert_redirect(&answer, "/sign-in/check");
        browser.cookies.clone_from(&asking.cookies);
        let page = browser.get("/sign-in/check").await.text().await.unwrap();
        assert!(page.contains(&address), "the newest is shown: {page}");
    }
    settled(&app).await;
    let kept = of_browser(&app, &browser).await;
    assert!(kept <= 12, "{kept}");
    // What is good stays good.
    let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&answer, "/billing");
}

/// Browsers that asked for one address each are made one by sending the same form with their cookies.
async fn checklist_9_browsers_cannot_be_put_together_to_guess(engine: Engine) {
    let app = spawn_app(engine).await;
    let ticket = billhook::clock::random_token();
    let mut mark = String::new();
    for number in 0..6 {
        let mut browser = app.browser();
        for which in 0..3 {
            let address = format!("ada{number}{which}@example.com");
            browser.post("/api/ask_link", &[("email", &address)]).await;
        }
        let form = [("email", "x@example.com"), ("ticket", ticket.as_str())];
        browser.post("/api/ask_link", &form).await;
        mark.clone_from(&browser.cookies["billhook_browser"]);
    }
    let hash = billhook::domain::keys::sha256_hex(&mark);
    let now = app.clock.now();
    let live = app.app.store.read(move |tx| {
        async move { billhook::store::sign_in::count_live(tx, "", &hash, now, 5, now).await }
            .boxed()
    });
    assert_eq!(live.await.unwrap().of_browser, 3);
}
