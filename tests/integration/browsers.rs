//! What browsers, and what stands between them and us, make of requests and answers.

use std::collections::BTreeSet;

use billhook::store;
use futures::FutureExt;
use reqwest::header;

use crate::{
    contract::dump,
    engines::{Engine, on_both_engines},
    helpers::{TestApp, assert_redirect, spawn_app},
    portal_faults::Log,
};

on_both_engines!(
    checklist_9_digits_of_every_script_are_digits,
    checklist_9_what_has_no_eight_digits_is_no_try,
    checklist_66_strangers_write_a_bounded_number_of_audit_rows,
);

async fn sign_out(app: &TestApp, headers: &[(&str, &str)]) -> u16 {
    let mut request = app.http.post(format!("{}/api/sign_out", app.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.send().await.unwrap().status().as_u16()
}

/// On one thread, so that all that the program logs can be heard.
#[tokio::test]
async fn checklist_12_a_hidden_origin_passes_with_the_browsers_word_and_refusals_are_told() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let ours = app.url.as_str();
    let site = "Sec-Fetch-Site";
    for (headers, expected) in [
        (vec![("Origin", "null"), (site, "same-origin")], 303),
        (vec![("Origin", ours)], 303),
        (vec![("Origin", "null")], 403),
        (vec![("Origin", "null"), (site, "cross-site")], 403),
        (vec![("Origin", "null"), (site, "same-site")], 403),
        (vec![("Origin", "null"), (site, "none")], 403),
        (vec![(site, "cross-site")], 403),
        (vec![], 403),
    ] {
        assert_eq!(sign_out(&app, &headers).await, expected, "{headers:?}");
    }
    for _ in 0..50 {
        assert_eq!(
            sign_out(&app, &[("Origin", "http://evil.example")]).await,
            403
        );
    }
    let text = log.text();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("a form was refused with 403"))
        .collect();
    let reasons: BTreeSet<_> = lines
        .iter()
        .map(|line| line.split("refusal=").nth(1))
        .collect();
    assert_eq!(lines.len(), 4, "one for each reason: {lines:#?}");
    assert_eq!(reasons.len(), 4, "{lines:#?}");
    assert!(text.contains("evil.example"), "{lines:#?}");
    assert!(text.contains("its Origin is null"), "{lines:#?}");
    app.clock.advance(601);
    assert_eq!(sign_out(&app, &[]).await, 403);
    assert_eq!(log.text().matches("a form was refused with 403").count(), 5);
}

#[tokio::test]
async fn checklist_64_nothing_between_rewrites_pages_or_holds_back_the_stream() {
    let app = spawn_app(Engine::Sqlite).await;
    let mut ada = app.signed_in("ada@example.com").await;
    for path in ["/billing", "/devices", "/nowhere"] {
        let answer = ada.get(path).await;
        assert_eq!(
            answer.headers()[header::CACHE_CONTROL],
            "no-store, no-transform"
        );
    }
    let live = ada.get("/billing/live").await;
    assert_eq!(live.headers()["x-accel-buffering"], "no");
    // Clearing the cache takes seconds where it holds much of other sites.
    let answer = ada.post("/api/sign_out", &[]).await;
    assert_redirect(&answer, "/");
    assert_eq!(answer.headers()["clear-site-data"], "\"storage\"");
    let over = app.http.get(format!("{}/billing/live", app.url));
    let over = over
        .header(header::ACCEPT, "text/event-stream")
        .send()
        .await
        .unwrap();
    assert_eq!(over.headers()["x-accel-buffering"], "no");
}

/// The same digits in another script.
fn written(code: &str, zero: char) -> String {
    code.chars()
        .map(|digit| char::from_u32(u32::from(zero) + digit.to_digit(10).unwrap()).unwrap())
        .collect()
}

async fn checklist_9_digits_of_every_script_are_digits(engine: Engine) {
    let app = spawn_app(engine).await;
    for (number, zero) in ['\u{ff10}', '\u{660}', '\u{6f0}', '\u{966}', '\u{1d7ce}']
        .into_iter()
        .enumerate()
    {
        let address = format!("ada{number}@example.com");
        let mut browser = app.browser();
        app.ask(&mut browser, &address).await;
        let code = written(&app.code(&address).await, zero);
        let code = format!(" {}\u{a0}", code);
        let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
        assert_redirect(&answer, "/billing");
    }
}

async fn checklist_9_what_has_no_eight_digits_is_no_try(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    app.ask(&mut browser, "ada@example.com").await;
    for slip in [
        "",
        "1234567",
        "123456789",
        "my code",
        "1234 567",
        "\u{661}\u{662}",
        "12345678 1",
    ] {
        let answer = browser.post("/api/enter_code", &[("code", slip)]).await;
        assert_redirect(&answer, "/sign-in/check?problem=code");
    }
    let audit = dump(&app.app.store, "audit").await;
    assert!(!audit.contains("code-failed"), "{audit}");
    let code = app.code("ada@example.com").await;
    let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&answer, "/billing");
}

async fn checklist_66_strangers_write_a_bounded_number_of_audit_rows(engine: Engine) {
    let app = spawn_app(engine).await;
    let now = app.clock.now();
    let entry = move |what: &str| store::audit::Entry {
        at: now,
        what: what.to_owned(),
        ..store::audit::Entry::default()
    };
    let written = app.app.store.write(move |tx| {
        async move {
            for _ in 0..store::audit::MOST_AN_HOUR + 5 {
                store::audit::insert(tx, &entry("asked")).await?;
            }
            store::audit::insert(tx, &entry("signed-in")).await
        }
        .boxed()
    });
    written.await.unwrap();
    let count = async |what: &str| {
        let filter = store::audit::Filter {
            what: Some(what.to_owned()),
            ..store::audit::Filter::default()
        };
        let listed = app
            .app
            .store
            .read(move |tx| async move { store::audit::list(tx, &filter, 5_000).await }.boxed());
        i64::try_from(listed.await.unwrap().len()).unwrap()
    };
    assert_eq!(count("asked").await, store::audit::MOST_AN_HOUR);
    assert_eq!(
        count("signed-in").await,
        1,
        "what nobody can repeat is kept"
    );
    for number in 0..5 {
        let form = [("email", format!("no{number}@example.com"))];
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_redirect(
            &app.browser().post("/api/ask_link", &form).await,
            "/sign-in/check",
        );
    }
    assert_eq!(count("asked").await, store::audit::MOST_AN_HOUR);
    app.clock.advance(60 * 60 + 1);
    let form = [("email", "late@example.com")];
    assert_redirect(
        &app.browser().post("/api/ask_link", &form).await,
        "/sign-in/check",
    );
    assert_eq!(count("asked").await, store::audit::MOST_AN_HOUR + 1);
}
