//! Nobody is thrown out without a word.

use reqwest::header;
use serde_json::Value;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{Browser, TestApp, assert_redirect, customer_object, event, eventually, spawn_app},
    operator::said,
};

on_both_engines!(
    whoever_is_signed_out_is_told_why,
    an_old_token_tells_no_address,
    whoever_signs_out_leaves_nothing,
    what_is_planted_is_not_told,
    a_page_that_is_not_there_knows_who_asks,
    refused_cookies_are_named,
);

const ADA: &str = "ada@example.com";

/// Where somebody lands who was thrown out, and that they are told these words there.
async fn assert_told(browser: &mut Browser<'_>, words: &str) {
    let thrown_out = browser.get("/billing").await;
    assert_redirect(&thrown_out, "/");
    let shown = browser.get("/").await;
    assert_eq!(shown.status(), 200);
    let page = shown.text().await.unwrap();
    assert!(page.contains(words), "{words}: {page}");
    assert!(page.contains(&format!("value=\"{ADA}\"")), "{page}");
}

async fn whoever_is_signed_out_is_told_why(engine: Engine) {
    let app = spawn_app(engine).await;
    // From another browser: one, and all.
    let mut here = app.signed_in(ADA).await;
    for path in ["/api/end_session", "/api/sign_out_everywhere"] {
        let mut there = app.signed_in(ADA).await;
        let page = here.get("/devices").await.text().await.unwrap();
        let handles: Vec<_> = page.split("name=\"handle\" value=\"").skip(1).collect();
        let handle = handles[1].split('"').next().unwrap();
        here.post(path, &[("handle", handle)]).await;
        // Whichever page is the first.
        let mut first = app.browser();
        first.cookies.clone_from(&there.cookies);
        let page = first.get("/").await.text().await.unwrap();
        assert!(page.contains("from another browser"), "{page}");
        assert_told(&mut there, "from another browser").await;
        app.clock.advance(20 * 60);
    }
    // One address gets a few mails at once, and they come back with time.
    app.clock.advance(4 * 60 * 60);
    let mut idle = app.signed_in(ADA).await;
    let mut listening = app.browser();
    listening.cookies.clone_from(&idle.cookies);
    app.clock.advance(31 * 60);
    assert_told(&mut idle, "nothing was done here for 30 minutes").await;
    // The first that hears of it may be the stream of an open page, which is then loaded again.
    let stream = listening.get("/billing/live").await;
    assert!(!listening.cookies.contains_key("billhook_refresh"));
    drop(stream);
    assert_told(&mut listening, "nothing was done here for 30 minutes").await;

    let mut old = app.signed_in(ADA).await;
    for _ in 0..24 * 3 - 1 {
        app.clock.advance(20 * 60);
        assert_eq!(old.get("/billing").await.status(), 200);
    }
    app.clock.advance(20 * 60);
    assert_told(&mut old, "lasts 24 hours at most").await;

    let mut owner = app.signed_in(ADA).await;
    let mut thief = app.browser();
    thief.cookies.clone_from(&owner.cookies);
    app.clock.advance(6 * 60);
    owner.get("/billing").await;
    owner.get("/billing").await;
    app.clock.advance(60);
    thief.get("/billing").await;
    // Its mail is not to be taken for the next one.
    eventually(|| async {
        let mut mails = app.mails_to(ADA).into_iter();
        mails.find(|mail| mail.subject.contains("signed out"))
    })
    .await;
    assert_told(&mut owner, "for your safety").await;

    let mut known = app.signed_in(ADA).await;
    said(&app, &["account", "sign-out", ADA]).await;
    assert_told(&mut known, "signed you out everywhere").await;
}

/// What the start page says to a browser with these cookies.
async fn start_page(app: &TestApp, of: &Browser<'_>) -> String {
    let mut browser = app.browser();
    browser.cookies.clone_from(&of.cookies);
    browser.get("/").await.text().await.unwrap()
}

async fn an_old_token_tells_no_address(engine: Engine) {
    let app = spawn_app(engine).await;
    let (hour, day) = (60 * 60, 24 * 60 * 60);
    let address = format!("value=\"{ADA}\"");
    // Who comes back after days is told, with the address for a week, however the end was noticed.
    let idle = app.signed_in(ADA).await;
    for (later, is_shown) in [
        (3 * day, true),
        (3 * day, true),
        (day + hour, false),
        (20 * day, false),
    ] {
        app.clock.advance(later);
        let page = start_page(&app, &idle).await;
        assert!(
            page.contains("nothing was done here for 30 minutes"),
            "{page}"
        );
        assert_eq!(page.contains(&address), is_shown, "{page}");
    }
    // One that somebody ended is not for whoever finds it later.
    let words = [
        "from another browser",
        "signed you out everywhere",
        "for your safety",
    ];
    for (way, words) in words.into_iter().enumerate() {
        app.clock.advance(day);
        let mut ended = app.signed_in(ADA).await;
        match way {
            0 => {
                app.clock.advance(60);
                let mut other = app.signed_in(ADA).await;
                other.post("/api/sign_out_everywhere", &[]).await;
            }
            1 => drop(said(&app, &["account", "sign-out", ADA]).await),
            _ => {
                let mut thief = app.browser();
                thief.cookies.clone_from(&ended.cookies);
                app.clock.advance(6 * 60);
                ended.get("/billing").await;
                ended.get("/billing").await;
                app.clock.advance(60);
                thief.get("/billing").await;
                // Its mail is not to be taken for the next one.
                eventually(|| async {
                    let mut mails = app.mails_to(ADA).into_iter();
                    mails.find(|mail| mail.subject.contains("signed out"))
                })
                .await;
            }
        }
        let page = start_page(&app, &ended).await;
        assert!(page.contains(words) && page.contains(&address), "{page}");
        app.clock.advance(hour);
        let page = start_page(&app, &ended).await;
        assert!(page.contains(words) && !page.contains(ADA), "{page}");
    }
    // Of somebody who was erased nothing is left to tell.
    app.clock.advance(day);
    let erased = app.signed_in(ADA).await;
    said(&app, &["account", "erase", ADA, "--yes"]).await;
    let page = start_page(&app, &erased).await;
    assert!(!page.contains(ADA), "{page}");
}

async fn whoever_signs_out_leaves_nothing(engine: Engine) {
    let app = spawn_app(engine).await;
    let customer = app.customer(ADA, "Ada").await;
    let mut ada = app.signed_in(ADA).await;
    let object = customer_object(&customer, ADA, "Ada");
    let deleted = event("customer.deleted", 1_700_000_001, object, Value::Null);
    assert_eq!(app.deliver(&deleted).await.status(), 200);
    assert_told(&mut ada, "has no customer under this address").await;
    app.clock.advance(5 * 60 + 1);
    let page = ada.get("/").await.text().await.unwrap();
    assert!(
        !page.contains("signed out") && !page.contains(ADA),
        "{page}"
    );

    let (mut copy, mut tab) = (app.browser(), app.browser());
    let mut ada = app.signed_in(ADA).await;
    copy.cookies.clone_from(&ada.cookies);
    tab.cookies.clone_from(&ada.cookies);
    ada.post("/api/sign_out", &[]).await;
    copy.get("/billing").await;
    for browser in [&mut ada, &mut copy, &mut tab] {
        let page = browser.get("/").await.text().await.unwrap();
        assert!(
            !page.contains("signed out") && !page.contains(ADA),
            "{page}"
        );
    }
}

async fn what_is_planted_is_not_told(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut ada = app.signed_in(ADA).await;
    app.clock.advance(31 * 60);
    ada.get("/billing").await;
    let good = ada.cookies["billhook_ended"].clone();
    let (body, tag) = good.rsplit_once('.').unwrap();
    let other = body.replace("idle", "copied");
    for planted in [
        format!("{other}.{tag}"),
        body.to_owned(),
        "x.y.z.w".to_owned(),
    ] {
        let mut victim = app.browser();
        victim.cookies.insert("billhook_ended".to_owned(), planted);
        let page = victim.get("/").await.text().await.unwrap();
        assert!(
            !page.contains("signed out") && !page.contains(ADA),
            "{page}"
        );
    }
    // Who signs in again is not told any more.
    app.ask(&mut ada, ADA).await;
    let code = app.code(ADA).await;
    ada.post("/api/enter_code", &[("code", &code)]).await;
    assert!(!ada.cookies.contains_key("billhook_ended"));
}

async fn a_page_that_is_not_there_knows_who_asks(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut ada = app.signed_in(ADA).await;
    let before = ada.cookies.clone();
    let long = format!("/{}", "x".repeat(200));
    for seconds in [0, 6 * 60] {
        app.clock.advance(seconds);
        for path in ["/no-such-page", "/billing/", &long] {
            let answer = ada.get(path).await;
            assert_eq!(answer.status(), 404);
            assert_eq!(
                answer.headers()[header::CACHE_CONTROL],
                "no-store, no-transform"
            );
            let page = answer.text().await.unwrap();
            assert!(
                page.contains(&format!("Signed in as {ADA}")),
                "{path}: {page}"
            );
            let page = app.browser().get(path).await.text().await.unwrap();
            assert!(!page.contains("Signed in as"), "{page}");
        }
        for path in ["/pkg/none.css", "/billing/style.css"] {
            let answer = ada.get(path).await;
            assert_eq!(answer.status(), 404);
            let page = answer.text().await.unwrap();
            assert!(!page.contains(ADA), "{path} may be kept by a cache: {page}");
        }
        assert_eq!(ada.cookies, before, "nothing is renewed by it");
    }
    let form = [("customer", "cus_of_nobody"), ("flow", "home")];
    let answer = ada.post("/api/open_portal", &form).await;
    assert_eq!(answer.status(), 404);
    let page = answer.text().await.unwrap();
    assert!(page.contains(&format!("Signed in as {ADA}")), "{page}");
    ada.post("/api/sign_out", &[]).await;
    let page = ada.get("/no-such-page").await.text().await.unwrap();
    assert!(!page.contains("Signed in as"), "{page}");
}

/// A page for a browser that keeps no cookies.
async fn without_cookies(app: &TestApp, path: &str) -> String {
    app.browser().get(path).await.text().await.unwrap()
}

async fn refused_cookies_are_named(engine: Engine) {
    let app = spawn_app(engine).await;
    app.ask(&mut app.browser(), ADA).await;
    let code = app.code(ADA).await;
    let form = [("code", code.as_str())];
    let answer = app.browser().post("/api/enter_code", &form).await;
    let refused = answer.headers()[header::LOCATION].to_str().unwrap();
    for path in ["/sign-in/check", refused, "/sign-in/confirm"] {
        let page = without_cookies(&app, path).await;
        assert!(page.contains("cookie"), "{path}: {page}");
        for words in ["has been used", "no longer works"] {
            assert!(!page.contains(words), "{path}: {words}: {page}");
        }
    }
    // A link that is none is told as such, to a browser that keeps cookies.
    let mut browser = app.browser();
    for link in ["/sign-in/link?token=x", "/sign-in/link"] {
        assert_redirect(&browser.get(link).await, "/sign-in/confirm");
        let page = browser.get("/sign-in/confirm").await.text().await.unwrap();
        assert!(page.contains("This link no longer works"), "{page}");
    }
}
