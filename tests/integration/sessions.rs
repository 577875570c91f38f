//! Access and refresh tokens: renewal, reuse, limits, sign-out.

use futures::future::join_all;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{assert_redirect, set_cookies, spawn_app},
};

on_both_engines!(
    checklist_15_cookies_are_for_our_server_alone,
    an_expired_access_token_is_renewed_before_the_page,
    twenty_tabs_renew_at_once,
    a_lost_answer_may_be_asked_again,
    a_refresh_token_that_was_used_ends_the_session,
    idle_and_absolute_limits_hold,
    signing_out_ends_the_session_in_the_database,
    forged_tokens_are_nobody,
);

/// checklist 15
async fn checklist_15_cookies_are_for_our_server_alone(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    app.ask(&mut browser, "ada@example.com").await;
    let token = app.link_token("ada@example.com").await;
    let opened = browser.get(&format!("/sign-in/link?token={token}")).await;
    let signed_in = browser.post("/api/confirm_link", &[]).await;
    for line in set_cookies(&opened)
        .into_iter()
        .chain(set_cookies(&signed_in))
    {
        assert!(
            line.contains("HttpOnly") && line.contains("SameSite=Lax"),
            "{line}"
        );
        assert!(
            line.contains("Path=/") && !line.contains("Domain"),
            "{line}"
        );
        assert!(line.len() < 4096);
    }
    let page = browser.get("/billing").await.text().await.unwrap();
    for value in browser.cookies.values() {
        assert!(!page.contains(value));
    }
    // On https they carry the prefix and Secure, which a plain loopback address cannot.
    let mut config = (*app.app.config).clone();
    config.frontend_url = "https://billing.example.com".parse().unwrap();
    let line = billhook::cookies::set(&config, billhook::cookies::Name::Refresh, "x");
    assert!(
        line.starts_with("__Host-billhook_refresh=") && line.contains("Secure"),
        "{line}"
    );
}

async fn an_expired_access_token_is_renewed_before_the_page(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let before = browser.cookies.clone();
    browser.get("/billing").await;
    assert_eq!(browser.cookies, before, "nothing to renew yet");
    app.clock.advance(5 * 60 + 5);
    let page = browser.get("/billing").await;
    assert_eq!(page.status(), 200);
    assert!(
        ["billhook_access", "billhook_refresh"]
            .iter()
            .all(|name| browser.cookies[*name] != before[*name]),
        "both are new"
    );
    assert_eq!(browser.get("/billing").await.status(), 200, "and they work");
}

async fn twenty_tabs_renew_at_once(engine: Engine) {
    let app = spawn_app(engine).await;
    let browser = app.signed_in("ada@example.com").await;
    app.clock.advance(6 * 60);
    let tabs = (0..20).map(|_| {
        let mut tab = app.browser();
        tab.cookies = browser.cookies.clone();
        async move {
            assert_eq!(tab.get("/billing").await.status(), 200);
            tab.cookies["billhook_refresh"].clone()
        }
    });
    let mut refresh = join_all(tabs).await;
    refresh.dedup();
    assert_eq!(refresh.len(), 1, "all have the same child");
    assert_ne!(refresh[0], browser.cookies["billhook_refresh"]);
}

async fn a_lost_answer_may_be_asked_again(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.signed_in("ada@example.com").await;
    browser.get("/billing").await;
    app.clock.advance(6 * 60);
    let old = browser.cookies.clone();
    browser.get("/billing").await;
    // The answer never came: the browser still has what it had.
    browser.cookies = old;
    app.clock.advance(60);
    assert_eq!(browser.get("/billing").await.status(), 200);
    app.clock.advance(6 * 60);
    assert_eq!(
        browser.get("/billing").await.status(),
        200,
        "and it goes on"
    );
}

async fn a_refresh_token_that_was_used_ends_the_session(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut owner = app.signed_in("ada@example.com").await;
    let mut thief = app.browser();
    thief.cookies = owner.cookies.clone();
    app.clock.advance(6 * 60);
    owner.get("/billing").await;
    owner.get("/billing").await;
    app.clock.advance(60);
    assert_redirect(&thief.get("/billing").await, "/");
    assert_redirect(&owner.get("/billing").await, "/");
    assert_eq!(
        owner.cookies.into_keys().collect::<Vec<_>>(),
        ["billhook_device"],
        "worthless cookies are taken back"
    );
}

async fn idle_and_absolute_limits_hold(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut idle = app.signed_in("ada@example.com").await;
    app.clock.advance(31 * 60);
    assert_redirect(&idle.get("/billing").await, "/");
    let mut busy = app.signed_in("bob@example.com").await;
    for _ in 0..(24 * 3) - 1 {
        app.clock.advance(20 * 60);
        assert_eq!(busy.get("/billing").await.status(), 200);
    }
    app.clock.advance(20 * 60);
    assert_redirect(&busy.get("/billing").await, "/");
}

async fn signing_out_ends_the_session_in_the_database(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let mut copy = app.browser();
    copy.cookies = browser.cookies.clone();
    let answer = browser.post("/api/sign_out", &[]).await;
    assert_redirect(&answer, "/");
    let kept: Vec<_> = browser.cookies.keys().collect();
    assert_eq!(kept, ["billhook_device"], "it signs nobody in");
    assert_redirect(&copy.get("/billing").await, "/");
    app.clock.advance(6 * 60);
    assert_redirect(&copy.get("/billing").await, "/");
    assert_redirect(&app.browser().post("/api/sign_out", &[]).await, "/");
}

async fn forged_tokens_are_nobody(engine: Engine) {
    let app = spawn_app(engine).await;
    let browser = app.signed_in("ada@example.com").await;
    let access = browser.cookies["billhook_access"].clone();
    let refresh = browser.cookies["billhook_refresh"].clone();
    let claims = access.split('.').nth(1).unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{claims}.");
    let (body, _) = refresh.rsplit_once('.').unwrap();
    let (session, _) = body.rsplit_once('.').unwrap();
    let (before, after) = access.split_at(access.len() - 10);
    // Another letter than the one that is there.
    let other = if after.starts_with('x') { 'y' } else { 'x' };
    let tampered = format!("{before}{other}{}", &after[1..]);
    for (name, value) in [
        ("billhook_access", unsigned.as_str()),
        ("billhook_access", &tampered),
        ("billhook_access", &refresh),
        ("billhook_access", ""),
        ("billhook_refresh", &access),
        ("billhook_refresh", body),
        (
            "billhook_refresh",
            &format!("{session}.2.{}", refresh.rsplit_once('.').unwrap().1),
        ),
        ("billhook_refresh", &"x".repeat(3000)),
    ] {
        let mut forger = app.browser();
        forger.cookies.insert(name.to_owned(), value.to_owned());
        assert_redirect(&forger.get("/billing").await, "/");
    }
}
