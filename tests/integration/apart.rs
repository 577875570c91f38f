//! What one visitor is answered has nothing of what another is, and whatever fails is in the log.

use std::sync::Arc;

use axum::{http::StatusCode, routing::get};
use billhook::{
    http::routes::{Access, Route, browser},
    store::Store,
};
use leptos::prelude::{Owner, provide_context, use_context};
use leptos_axum::ResponseOptions;
use reqwest::header;
use tokio::sync::Notify;

use crate::{
    engines::Engine,
    helpers::spawn_app,
    portal_faults::Log,
    readers::{Beside, beside},
};

/// Does what Leptos does for a page that takes its time: it leaves the page's context in the thread.
/// The first to be told is that it began. Beside it is a path that says whether it finds such a context.
fn slow_page(began: &Arc<Notify>, may_end: &Arc<Notify>) -> Vec<Route> {
    let (began, may_end) = (began.clone(), may_end.clone());
    let page = || async move {
        let owner = Owner::new_root(None);
        let options = ResponseOptions::default();
        options.set_status(StatusCode::SERVICE_UNAVAILABLE);
        options.insert_header(header::RETRY_AFTER, header::HeaderValue::from(7));
        owner.with(|| provide_context(options.clone()));
        began.notify_one();
        may_end.notified().await;
        drop(owner);
        "done"
    };
    let find = || Owner::new().with(|| use_context::<ResponseOptions>().is_some());
    vec![
        browser("/dev/mail", Access::Public, get(page)),
        browser(
            "/dev/mail/{number}",
            Access::Public,
            get(move || async move { find().to_string() }),
        ),
    ]
}

/// On one thread, where the two meet for certain.
#[tokio::test]
async fn no_answer_has_anything_of_a_page_that_is_made_meanwhile() {
    let app = spawn_app(Engine::Sqlite).await;
    let (began, may_end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/public");
    let beside: Beside = beside(&app, files, slow_page(&began, &may_end)).await;
    let ask = |path: &str| {
        let request = app.http.get(format!("{}{path}", beside.url));
        let host = app.app.config.frontend_url.authority().to_owned();
        request.header(header::HOST, host).send()
    };
    let page = tokio::spawn(ask("/dev/mail"));
    began.notified().await;
    let file = ask("/favicon.svg").await.unwrap();
    assert_eq!(file.status(), 200);
    assert!(!file.headers().contains_key(header::RETRY_AFTER));
    assert!(file.headers().contains_key(header::LAST_MODIFIED));
    let finds = ask("/dev/mail/1").await.unwrap().text().await.unwrap();
    assert_eq!(finds, "false");
    may_end.notify_one();
    assert_eq!(page.await.unwrap().unwrap().status(), 200);
}

/// On one thread, so that all that the program logs can be heard.
#[tokio::test]
async fn what_fails_is_told_to_the_visitor_and_to_the_log_once() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    let mut guest = app.browser();
    app.ask(&mut guest, "ada@example.com").await;
    let token = app.link_token("ada@example.com").await;
    guest.get(&format!("/sign-in/link?token={token}")).await;
    let Store::Sqlite {
        readers, writer, ..
    } = &app.app.store
    else {
        panic!("SQLite was asked for");
    };
    readers.close().await;
    writer.close().await;
    let lines = || {
        let told = |line: &&str| {
            line.contains("ERROR")
                && (line.contains("the session could not be looked up")
                    || line.contains("the database did not answer"))
        };
        log.text().lines().filter(told).count()
    };
    let click = [("customer", mine.as_str()), ("flow", "home")];
    let mail = [("email", "ada@example.com")];
    for (is_ada, method, path, form) in [
        (true, "GET", "/billing", None),
        (true, "GET", "/devices", None),
        (true, "GET", "/billing/live", None),
        (true, "POST", "/api/open_portal", Some(&click[..])),
        (true, "POST", "/api/sign_out", Some(&[])),
        (false, "GET", "/sign-in/check", None),
        (false, "GET", "/sign-in/confirm", None),
        (false, "POST", "/api/ask_link", Some(&mail[..])),
        (
            false,
            "POST",
            "/api/enter_code",
            Some(&[("code", "12345678")]),
        ),
        (false, "POST", "/api/confirm_link", Some(&[])),
    ] {
        let before = lines();
        let browser = if is_ada { &mut ada } else { &mut guest };
        let answer = browser.send(method, path, form).await;
        assert_eq!(answer.status(), 503, "{method} {path}");
        assert_eq!(
            answer.headers()[header::RETRY_AFTER],
            "5",
            "{method} {path}"
        );
        assert_eq!(lines() - before, 1, "{method} {path}: {}", log.text());
    }
    assert!(!log.text().contains("ada@example.com"));
}

#[tokio::test]
async fn refused_clicks_do_not_fill_the_log() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let mut ada = app.signed_in("ada@example.com").await;
    let click = [("customer", "cus_of_nobody"), ("flow", "home")];
    for _ in 0..20 {
        let answer = ada.post("/api/open_portal", &click).await;
        assert_eq!(answer.status(), 404);
    }
    let lines = log.text().matches("portal refused").count();
    assert!(lines <= 1, "{}", log.text());
}
