//! How long an answer may take when the database stalls, and who is told to have been slow.

use std::time::{Duration, Instant};

use axum::routing::get;
use billhook::{
    http::routes::{Access, browser},
    serve,
};
use reqwest::{Response, header};
use serde_json::json;
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::{
    engines::Engine,
    helpers::{Browser, TestApp, assert_redirect, spawn_app},
    portal_faults::Log,
};

const IN_TIME: Duration = Duration::from_secs(8);

/// Another program that holds the lock for writing.
async fn lock(app: &TestApp) -> SqliteConnection {
    let url = app.app.config.database_url.expose();
    let mut connection = SqliteConnection::connect(url).await.unwrap();
    connection.execute("BEGIN IMMEDIATE").await.unwrap();
    connection
}

async fn click(browser: &mut Browser<'_>, customer: &str) -> (Response, Duration) {
    let began = Instant::now();
    let form = [("customer", customer), ("flow", "home")];
    let answer = browser.post("/api/open_portal", &form).await;
    (answer, began.elapsed())
}

/// A session that is to be renewed at the next request, for which the database must write.
async fn about_to_renew(app: &TestApp) -> (Browser<'_>, String) {
    let mine = app.customer_at_stripe("ada@example.com").await;
    let ada = app.signed_in("ada@example.com").await;
    app.clock.advance(6 * 60);
    (ada, mine)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_38_a_click_is_answered_in_time_while_the_database_stalls() {
    let app = spawn_app(Engine::Sqlite).await;
    let (mut ada, mine) = about_to_renew(&app).await;
    let held = lock(&app).await;
    // Others wait before it.
    let mut tab = app.browser();
    tab.cookies = ada.cookies.clone();
    let ((answer, took), _) = tokio::join!(click(&mut ada, &mine), click(&mut tab, &mine));
    assert!(took < IN_TIME, "{took:?}");
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "5");
    let page = answer.text().await.unwrap();
    assert!(page.contains("The fault is on our side"), "{page}");
    drop(held);
    let (answer, _) = click(&mut ada, &mine).await;
    assert_eq!(answer.status(), 303);
}

/// What the session's renewal took is no longer there for Stripe.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_38_the_time_of_a_click_is_that_of_database_and_stripe_together() {
    let app = spawn_app(Engine::Sqlite).await;
    let (mut ada, mine) = about_to_renew(&app).await;
    app.control("POST", "faults", json!({ "hang": true })).await;
    let held = lock(&app).await;
    let stall = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(held);
    };
    let ((answer, took), ()) = tokio::join!(click(&mut ada, &mine), stall);
    assert!(took > Duration::from_secs(3), "it stalled: {took:?}");
    assert!(took < IN_TIME, "{took:?}");
    assert_redirect(
        &answer,
        &format!("/billing?problem=unavailable&customer={mine}"),
    );
}

/// The status of what comes back for these bytes, and the rest of it.
async fn raw(address: String, request: String) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    (status, answer)
}

/// On one thread, so that all that the program logs can be heard.
#[tokio::test]
async fn checklist_42_who_is_slow_is_told_apart() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stalled = || async {
        std::future::pending::<()>().await;
        "never"
    };
    let stalled = browser("/dev/mail", Access::Public, get(stalled).post(stalled));
    let stop = CancellationToken::new();
    tokio::spawn(serve::run(
        app.app.clone(),
        listener,
        vec![stalled],
        stop.clone(),
    ));
    let began = Instant::now();
    let ask = |line: &str, body: &str| {
        let host = app.url.trim_start_matches("http://");
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nOrigin: {}\r\nAccept: text/html\r\n\
             Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n{body}",
            app.url
        );
        raw(address.clone(), request)
    };
    let half = "Content-Length: 100\r\n\r\nemail=ada";
    let (get, whole, unread, slow) = tokio::join!(
        ask("GET /dev/mail", "\r\n"),
        ask("POST /dev/mail", "Content-Length: 3\r\n\r\na=b"),
        // Nobody asked for the rest of it.
        ask("POST /dev/mail", half),
        ask("POST /api/ask_link", half),
    );
    assert!(began.elapsed() < Duration::from_secs(18));
    for (status, answer) in [get, whole, unread] {
        assert_eq!(status, "503", "{answer}");
        assert!(answer.contains("retry-after: 5"), "{answer}");
        assert!(answer.contains("The fault is on our side"), "{answer}");
    }
    assert_eq!(slow.0, "408", "{}", slow.1);
    let text = log.text();
    let lines = text.lines().filter(|line| line.contains("took too long"));
    assert_eq!(lines.count(), 3, "{text}");
    stop.cancel();
}
