//! What others learn and spoil by asking for my address, or by leaving cookies in my browser: nothing.

use billhook::domain::sign_in::{self, Link};
use serde_json::Value;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{
        assert_redirect, code_in, customer_object, event, set_cookies, spawn_app, without_nonces,
    },
    mails,
    sign_in::shop,
};

on_both_engines!(
    checklist_1_every_address_is_answered_alike,
    checklist_8_a_fourth_link_is_answered_alike_and_not_sent,
    checklist_8_a_sign_in_ends_the_other_links,
    checklist_8_a_strangers_request_leaves_mine_alone,
    checklist_16_asking_and_signing_in_replace_every_cookie,
);

/// checklist 1, without the timing
async fn checklist_1_every_address_is_answered_alike(engine: Engine) {
    let app = spawn_app(engine).await;
    app.customer("known@example.com", "Known").await;
    app.customer("busy@example.com", "Busy").await;
    let id = app.customer("gone@example.com", "Gone").await;
    let gone = customer_object(&id, "gone@example.com", "Gone");
    let deleted = event("customer.deleted", 1_700_000_001, gone, Value::Null);
    assert_eq!(app.deliver(&deleted).await.status(), 200);
    for _ in 0..3 {
        app.ask(&mut app.browser(), "busy@example.com").await;
    }
    let mut shapes = Vec::new();
    let addresses = [
        "known@example.com",
        "unknown@example.com",
        "gone@example.com",
        // Refused: it has had its three.
        "busy@example.com",
        "other@no-such-domain.example",
    ];
    for address in addresses {
        let mut browser = app.browser();
        let answer = browser.post("/api/ask_link", &[("email", address)]).await;
        let mut headers: Vec<_> = answer
            .headers()
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        headers.sort();
        let cookies: Vec<_> = set_cookies(&answer)
            .iter()
            .map(|line| line.replace(browser.cookies.values().next().unwrap(), "value"))
            .collect();
        let location = answer.headers()["location"].clone();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        let page = without_nonces(browser.get("/sign-in/check").await).await;
        shapes.push((
            status,
            headers,
            cookies,
            location,
            body,
            page.replace(address, "address"),
        ));
    }
    shapes.dedup();
    assert_eq!(shapes.len(), 1, "{shapes:#?}");
    // Each left a row and a mail or its decoy, and the decoys are settled as mails are.
    mails::settled(&app).await;
    for table in ["sign_in", "outbox"] {
        let rows = crate::contract::dump(&app.app.store, table).await;
        assert_eq!(rows.lines().count(), 3 + addresses.len(), "{table}: {rows}");
    }
    for (address, count) in addresses.into_iter().zip([1, 0, 0, 3, 0]) {
        assert_eq!(app.mails_to(address).len(), count, "{address}");
    }
}

async fn checklist_8_a_fourth_link_is_answered_alike_and_not_sent(engine: Engine) {
    let app = shop(engine).await;
    let mut browsers = Vec::new();
    let mut pages = Vec::new();
    for _ in 0..4 {
        let mut browser = app.browser();
        let answer = browser
            .post("/api/ask_link", &[("email", "ADA@example.com")])
            .await;
        assert_redirect(&answer, "/sign-in/check");
        pages.push(without_nonces(browser.get("/sign-in/check").await).await);
        // One mail after the other, so that each is known by its place.
        mails::settled(&app).await;
        browsers.push(browser);
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "the fourth is answered like the others");
    let sent = app.mails_to("ada@example.com");
    assert_eq!(sent.len(), 3, "and gets no mail");
    // The first three work as before, each in its own browser.
    for (mail, browser) in sent.iter().zip(&browsers) {
        let token = &mail.text.expose().split("token=").nth(1).unwrap()[..43];
        for other in &browsers {
            let mark = &other.cookies["billhook_browser"];
            let link = sign_in::look(&app.app, token, Some(mark)).await.unwrap();
            let is_its = mark == &browser.cookies["billhook_browser"];
            assert_eq!(matches!(link, Link::Ready(_)), is_its, "{link:?}");
        }
    }
    let mut fourth = browsers.pop().unwrap();
    for mail in &sent {
        let code = code_in(mail);
        let answer = fourth.post("/api/enter_code", &[("code", &code)]).await;
        assert_redirect(&answer, "/sign-in/check?problem=spent");
    }
    let code = code_in(&sent[0]);
    let answer = browsers[0]
        .post("/api/enter_code", &[("code", &code)])
        .await;
    assert_redirect(&answer, "/billing");
}

async fn checklist_8_a_sign_in_ends_the_other_links(engine: Engine) {
    let app = shop(engine).await;
    let (mut one, mut other) = (app.browser(), app.browser());
    app.ask(&mut one, "ada@example.com").await;
    let (token, code) = (
        app.link_token("ada@example.com").await,
        app.code("ada@example.com").await,
    );
    app.ask(&mut other, "ada@example.com").await;
    let answer = other
        .post(
            "/api/enter_code",
            &[("code", &app.code("ada@example.com").await)],
        )
        .await;
    assert_redirect(&answer, "/billing");
    one.get(&format!("/sign-in/link?token={token}")).await;
    let answer = one.post("/api/confirm_link", &[]).await;
    assert_redirect(&answer, "/sign-in/confirm");
    let answer = one.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&answer, "/sign-in/check?problem=spent");
}

async fn checklist_8_a_strangers_request_leaves_mine_alone(engine: Engine) {
    let app = spawn_app(engine).await;
    let id = app.customer("Ada@Example.COM", "Ada").await;
    let (mut mine, mut stranger) = (app.browser(), app.browser());
    mine.post("/api/ask_link", &[("email", "ADA@example.com")])
        .await;
    let token = app.link_token("ada@example.com").await;
    stranger
        .post("/api/ask_link", &[("email", "ada@EXAMPLE.com")])
        .await;
    // Whoever has the token, but not the browser, is not signed in by it.
    stranger.get(&format!("/sign-in/link?token={token}")).await;
    let answer = stranger.post("/api/confirm_link", &[]).await;
    assert_redirect(&answer, "/sign-in/confirm");
    // The case of the address changes at Stripe between asking and clicking.
    let shouting = customer_object(&id, "ADA@EXAMPLE.COM", "Ada");
    let updated = event("customer.updated", 1_700_000_001, shouting, Value::Null);
    assert_eq!(app.deliver(&updated).await.status(), 200);
    mine.get(&format!("/sign-in/link?token={token}")).await;
    let answer = mine.post("/api/confirm_link", &[]).await;
    assert_redirect(&answer, "/billing");
    let page = mine.get("/billing").await.text().await.unwrap();
    assert!(page.contains(&id), "{page}");
}

async fn checklist_16_asking_and_signing_in_replace_every_cookie(engine: Engine) {
    let app = shop(engine).await;
    // All that an attacker can have and plant: a session, a device and a browser of their own.
    let mut attacker = app.signed_in("mallory@example.com").await;
    attacker
        .post("/api/ask_link", &[("email", "mallory@example.com")])
        .await;
    assert_eq!(attacker.cookies.len(), 4, "{:?}", attacker.cookies);
    let mut victim = app.browser();
    victim.cookies.clone_from(&attacker.cookies);
    app.ask(&mut victim, "ada@example.com").await;
    let token = app.link_token("ada@example.com").await;
    let link = format!("/sign-in/link?token={token}");
    attacker.get(&link).await;
    let answer = attacker.post("/api/confirm_link", &[]).await;
    assert_redirect(&answer, "/sign-in/confirm");
    victim.get(&link).await;
    let answer = victim.post("/api/confirm_link", &[]).await;
    assert_redirect(&answer, "/billing");
    let page = victim.get("/billing").await.text().await.unwrap();
    assert!(
        page.contains("ada@example.com") && !page.contains("mallory"),
        "{page}"
    );
    for (name, value) in &victim.cookies {
        assert_ne!(attacker.cookies.get(name), Some(value), "{name}");
    }
    // The session that was planted has ended with the sign-in.
    assert_redirect(&attacker.get("/billing").await, "/");
}
