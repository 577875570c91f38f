//! The cookie of a browser that signed in before: it ends, and all of an address share one allowance.

use billhook::domain::{
    email::Email,
    keys::{Purpose, encode},
    known_device,
};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{
        Browser, TestApp, assert_redirect, set_cookies, spawn_app, spawn_app_set, spawn_app_with,
    },
    mails::settled,
    operator::said,
};

on_both_engines!(
    checklist_13_devices_of_an_address_share_one_allowance,
    checklist_13_a_device_ends_by_itself,
    checklist_13_devices_end_with_sign_out_everywhere,
    checklist_13_devices_end_with_an_erasure,
    checklist_13_devices_that_were_ended_stay_so_under_another_secret,
);

const ADA: &str = "ada@example.com";

/// Browsers with a device of Ada's and nothing else.
async fn devices(app: &TestApp, count: usize) -> Vec<Browser<'_>> {
    let mut devices = Vec::new();
    for _ in 0..count {
        let signed_in = app.signed_in(ADA).await;
        app.clock.advance(61 * 60);
        devices.push(device(app, &signed_in.cookies["billhook_device"]));
    }
    devices
}

fn device<'a>(app: &'a TestApp, value: &str) -> Browser<'a> {
    let mut browser = app.browser();
    let device = ("billhook_device".to_owned(), value.to_owned());
    browser.cookies.extend([device]);
    browser
}

/// Whether the browser gets a mail where strangers get none any more.
async fn is_known(app: &TestApp, browser: &mut Browser<'_>) -> bool {
    for _ in 0..4 {
        app.browser().post("/api/ask_link", &[("email", ADA)]).await;
    }
    settled(app).await;
    let before = app.mails_to(ADA).len();
    let answer = browser.post("/api/ask_link", &[("email", ADA)]).await;
    assert_redirect(&answer, "/sign-in/check");
    settled(app).await;
    app.mails_to(ADA).len() > before
}

async fn checklist_13_devices_of_an_address_share_one_allowance(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut devices = devices(&app, 9).await;
    let before = app.mails_to(ADA).len();
    for browser in &mut devices {
        browser.post("/api/ask_link", &[("email", ADA)]).await;
    }
    settled(&app).await;
    assert_eq!(
        app.mails_to(ADA).len(),
        before + 3,
        "nine ask, for three mails"
    );
    // It comes back, for all of them together, and strangers have taken nothing of it.
    app.clock.advance(10 * 60);
    let mut known = 0;
    for browser in &mut devices {
        browser.cookies.remove("billhook_browser");
        known += usize::from(is_known(&app, browser).await);
    }
    assert_eq!(known, 1);
    // Another's device is a stranger's here.
    let mallory = app.signed_in("mallory@example.com").await;
    let mut other = device(&app, &mallory.cookies["billhook_device"]);
    assert!(!is_known(&app, &mut other).await);
}

async fn checklist_13_a_device_ends_by_itself(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    app.ask(&mut browser, ADA).await;
    let code = app.code(ADA).await;
    let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
    let lines = set_cookies(&answer).into_iter();
    let mut line = lines.filter(|line| line.starts_with("billhook_device="));
    assert!(
        line.next_back().unwrap().contains("Max-Age=15552000"),
        "180 days"
    );
    let value = browser.cookies["billhook_device"].clone();
    let day = 24 * 60 * 60;
    app.clock.advance(180 * day - 60 * 60);
    assert!(is_known(&app, &mut device(&app, &value)).await);
    // When it was made cannot be changed.
    let mut parts: Vec<_> = value.split('.').collect();
    let made_at = (parts[1].parse::<i64>().unwrap() + 100 * day).to_string();
    parts[1] = &made_at;
    assert!(!is_known(&app, &mut device(&app, &parts.join("."))).await);
    app.clock.advance(60 * 60 + 10 * 60);
    assert!(!is_known(&app, &mut device(&app, &value)).await);
    // One without a time, as they once were made.
    let id = billhook::clock::random_token();
    let tag = app.app.keys.mac(Purpose::Device, &format!("{id}\n{ADA}"));
    let old = format!("{id}.{}", encode(&tag));
    assert!(!is_known(&app, &mut device(&app, &old)).await);
}

async fn checklist_13_devices_end_with_sign_out_everywhere(engine: Engine) {
    let app = spawn_app(engine).await;
    let day = 24 * 60 * 60;
    for round in 0..3 {
        app.clock.advance(day);
        let mut ada = app.signed_in(ADA).await;
        let value = ada.cookies["billhook_device"].clone();
        let bob = app.signed_in("bob@example.com").await;
        app.clock.advance(day);
        assert!(is_known(&app, &mut device(&app, &value)).await, "{round}");
        app.clock.advance(day);
        if round % 2 == 0 {
            ada = app.signed_in(ADA).await;
            ada.post("/api/sign_out_everywhere", &[]).await;
        } else {
            said(&app, &["account", "sign-out", ADA]).await;
        }
        assert!(!is_known(&app, &mut device(&app, &value)).await, "{round}");
        app.clock.advance(day);
        billhook::domain::purge::purge(&app.app).await.unwrap();
        assert!(!is_known(&app, &mut device(&app, &value)).await, "{round}");
        // Whoever signs in again is known again, and others are as they were.
        app.clock.advance(day);
        let again = app.signed_in(ADA).await;
        let value = again.cookies["billhook_device"].clone();
        app.clock.advance(60);
        assert!(is_known(&app, &mut device(&app, &value)).await, "{round}");
        let mut of_bob = device(&app, &bob.cookies["billhook_device"]);
        app.ask(&mut of_bob, "bob@example.com").await;
    }
}

async fn checklist_13_devices_end_with_an_erasure(engine: Engine) {
    let app = spawn_app(engine).await;
    let day = 24 * 60 * 60;
    let first = app.signed_in(ADA).await.cookies["billhook_device"].clone();
    app.clock.advance(day);
    let mut ada = app.signed_in(ADA).await;
    ada.post("/api/sign_out_everywhere", &[]).await;
    app.clock.advance(day);
    let second = app.signed_in(ADA).await.cookies["billhook_device"].clone();
    app.clock.advance(day);
    said(&app, &["account", "erase", ADA, "--yes"]).await;
    // Somebody comes to be under the address again.
    app.known(ADA).await;
    for (value, when) in [(&first, "ended before"), (&second, "with the erasure")] {
        assert!(!is_known(&app, &mut device(&app, value)).await, "{when}");
        app.clock.advance(day);
    }
    let third = app.signed_in(ADA).await.cookies["billhook_device"].clone();
    app.clock.advance(day);
    assert!(is_known(&app, &mut device(&app, &third)).await);
}

async fn checklist_13_devices_that_were_ended_stay_so_under_another_secret(engine: Engine) {
    let url = database_url(engine).await;
    let app = spawn_app_with(&url, |_| {}).await;
    let mut ada = app.signed_in(ADA).await;
    let ended = ada.cookies["billhook_device"].clone();
    ada.post("/api/sign_out_everywhere", &[]).await;
    let again = app.signed_in(ADA).await.cookies["billhook_device"].clone();
    let secrets = [
        (
            "SESSION_SECRET",
            "another test secret of more than 32 bytes",
        ),
        (
            "SESSION_SECRET_PREVIOUS",
            "a test secret of more than 32 bytes",
        ),
    ];
    let later = spawn_app_set(&url, &secrets, |_| {}).await;
    let email = Email::parse(ADA).unwrap();
    for (value, is_known) in [(&ended, false), (&again, true)] {
        let known = known_device::of(&later.app, &email, Some(value)).await;
        assert_eq!(known.unwrap().is_some(), is_known);
    }
}
