//! Changing the server's secret while customers are signed in and mails are on their way.

use std::sync::Arc;

use billhook::domain::keys::Keys;

use crate::{
    contract,
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, assert_redirect, spawn_app_with},
    mails::settled,
};

on_both_engines!(
    checklist_24_a_new_secret_signs_nobody_out_while_the_old_one_is_kept,
    checklist_13_a_new_secret_gives_no_new_allowance,
);

const OLD: &str = "the old secret of more than 32 bytes";
const NEW: &str = "the next secret of more than 32 bytes";

/// A process on the database that has these secrets, and the address and clock of `like`.
async fn process(
    database_url: &str,
    present: &str,
    previous: &[&str],
    like: Option<&TestApp>,
) -> TestApp {
    spawn_app_with(database_url, |app| {
        app.keys = Keys::new(present, previous.iter().copied());
        if let Some(like) = like {
            let mut config = (*app.config).clone();
            config.frontend_url = like.app.config.frontend_url.clone();
            app.config = Arc::new(config);
            app.clock = like.clock.clone();
        }
    })
    .await
}

async fn checklist_24_a_new_secret_signs_nobody_out_while_the_old_one_is_kept(engine: Engine) {
    let database_url = database_url(engine).await;
    let before = process(&database_url, OLD, &[], None).await;
    let old = before.signed_in("ada@example.com").await;
    let mut by_link = before.browser();
    let mut by_code = before.browser();
    before.ask(&mut by_link, "bob@example.com").await;
    before.ask(&mut by_code, "cid@example.com").await;
    let token = before.link_token("bob@example.com").await;
    let code = before.code("cid@example.com").await;

    let during = process(&database_url, NEW, &[OLD], Some(&before)).await;
    // The old access token, and the old refresh token in exchange for new ones.
    let mut ada = during.browser();
    ada.cookies = old.cookies.clone();
    assert_eq!(ada.get("/billing").await.status(), 200);
    assert_eq!(ada.cookies, old.cookies, "the access token still does");
    before.clock.advance(6 * 60);
    assert_eq!(ada.get("/billing").await.status(), 200);
    assert_ne!(ada.cookies, old.cookies);
    assert_eq!(ada.get("/billing").await.status(), 200);
    // Links and codes that were sent before.
    let mut bob = during.browser();
    bob.cookies = by_link.cookies.clone();
    bob.get(&format!("/sign-in/link?token={token}")).await;
    assert_redirect(&bob.post("/api/confirm_link", &[]).await, "/billing");
    let mut cid = during.browser();
    cid.cookies = by_code.cookies.clone();
    let entered = cid.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&entered, "/billing");

    // The old secret is gone: what was made with it is nothing, what was made since goes on.
    let after = process(&database_url, NEW, &[], Some(&before)).await;
    let mut late = after.browser();
    late.cookies = old.cookies.clone();
    assert_redirect(&late.get("/billing").await, "/");
    for browser in [&ada, &bob, &cid] {
        let mut same = after.browser();
        same.cookies = browser.cookies.clone();
        assert_eq!(same.get("/billing").await.status(), 200);
    }
    before.clock.advance(6 * 60);
    let mut same = after.browser();
    same.cookies = ada.cookies.clone();
    assert_eq!(same.get("/billing").await.status(), 200, "and renews");
}

async fn checklist_13_a_new_secret_gives_no_new_allowance(engine: Engine) {
    let database_url = database_url(engine).await;
    let first = process(&database_url, OLD, &[], None).await;
    for _ in 0..3 {
        first.ask(&mut first.browser(), "ada@example.com").await;
    }
    let newest = "the newest secret of more than 32 bytes";
    for (present, previous, rows) in [
        (NEW, vec![OLD], 1),
        (newest, vec![NEW, OLD], 1),
        (newest, vec![NEW], 1),
        // The name of a secret that nobody knows any more is lost.
        ("yet another secret of more than 32 bytes", vec![], 2),
    ] {
        let app = process(&database_url, present, &previous, Some(&first)).await;
        // The links have expired, the allowance is not whole again.
        first.clock.advance(601);
        for _ in 0..4 {
            let form = [("email", "ada@example.com")];
            let answer = app.browser().post("/api/ask_link", &form).await;
            assert_redirect(&answer, "/sign-in/check");
        }
        settled(&app).await;
        let allowances = contract::dump(&app.app.store, "allowance").await;
        assert_eq!(allowances.matches("address:").count(), rows, "{allowances}");
        if rows == 1 {
            assert_eq!(app.mails_to("ada@example.com").len(), 0, "{present}");
            assert_eq!(first.mails_to("ada@example.com").len(), 3, "{present}");
        }
    }
}
