//! The table of routes, and the form of errors for each audience.

use std::collections::BTreeSet;

use axum::routing::{get, post};
use billhook::http::routes::{self, Access, Audience, Handler, Limit, Route, browser};
use reqwest::{Response, header};
use serde_json::{Value, json};

use crate::{engines::Engine, helpers::spawn_app, readers::beside};

#[test]
fn every_method_and_path_has_one_row() {
    let rows = routes::all();
    let keys: BTreeSet<_> = rows
        .iter()
        .map(|row| (row.path, row.method.as_str()))
        .collect();
    assert_eq!(keys.len(), rows.len());
    for row in rows {
        let is_api = row.path.starts_with("/api/v1/");
        assert_eq!(row.audience == Audience::Program, is_api, "{}", row.path);
        // What changes something for a person is a form, and forms alone take a body from a browser.
        let is_form = matches!(row.handler, Handler::Function);
        if row.audience == Audience::Browser {
            assert_eq!(row.method == "POST", is_form, "{}", row.path);
        }
        assert!(row.limit == Limit::None || is_form, "{}", row.path);
    }
}

async fn problem(answer: Response, status: u16) -> Value {
    assert_eq!(answer.status(), status);
    let headers = answer.headers();
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    assert!(!headers.contains_key(header::SET_COOKIE));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], "about:blank");
    assert!(body["detail"].as_str().is_some_and(|text| !text.is_empty()));
    body
}

#[tokio::test]
async fn programs_get_json_and_no_page() {
    let app = spawn_app(Engine::Sqlite).await;
    let url = |path: &str| format!("{}{path}", app.url);
    // From another site, by another host, with a session's cookie: none of it matters here.
    let version = app
        .http
        .get(url("/api/v1/version"))
        .header("host", "api.internal")
        .header("origin", "https://shop.example")
        .header("sec-fetch-site", "cross-site")
        .header("cookie", "billhook_access=x; billhook_refresh=y")
        .header("accept", "text/html");
    let version = version.send().await.unwrap();
    assert_eq!(version.status(), 200);
    assert_eq!(version.headers()[header::CONTENT_TYPE], "application/json");
    assert!(!version.headers().contains_key(header::SET_COOKIE));
    let body: Value = version.json().await.unwrap();
    assert_eq!(body, json!({ "version": env!("CARGO_PKG_VERSION") }));

    for path in ["/api/v1/nothing", "/api/v1/a/b?c=d", "/api/v1/version/"] {
        let answer = app.http.get(url(path)).header("accept", "text/html");
        problem(answer.send().await.unwrap(), 404).await;
        let answer = app.http.post(url(path)).body("x");
        problem(answer.send().await.unwrap(), 404).await;
    }
    let answer = app.http.post(url("/api/v1/version")).send().await.unwrap();
    assert_eq!(answer.headers()[header::ALLOW], "GET,HEAD");
    problem(answer, 405).await;
}

#[tokio::test]
async fn machines_get_problems_too() {
    let app = spawn_app(Engine::Sqlite).await;
    let url = format!("{}/webhooks/stripe", app.url);
    let answer = app.http.post(&url).body("{}").send().await.unwrap();
    let said = problem(answer, 400).await;
    assert_eq!(said["title"], "Bad Request");
    assert_eq!(said["detail"], "the signature is not good");
    problem(app.http.get(&url).send().await.unwrap(), 405).await;
    let up = format!("{}/up", app.url);
    problem(app.http.delete(up).send().await.unwrap(), 405).await;
}

/// A row of another audience than the browser's.
fn of(audience: Audience, route: Route) -> Route {
    Route { audience, ..route }
}

#[tokio::test]
async fn what_breaks_is_told_in_the_form_of_the_audience() {
    let app = spawn_app(Engine::Sqlite).await;
    let broken = || get(|| async { std::hint::black_box(None::<&str>).expect("whsec_canary") });
    let large = Route {
        method: "POST".parse().unwrap(),
        body_limit: 10,
        ..browser(
            "/api/v1/large",
            Access::Public,
            post(|body: String| async { body }),
        )
    };
    let extra = vec![
        browser("/broken", Access::Public, broken()),
        of(
            Audience::Machine,
            browser("/machine", Access::Public, broken()),
        ),
        of(
            Audience::Program,
            browser("/api/v1/broken", Access::Public, broken()),
        ),
        // A layer that cannot prove a session lets nobody pass.
        of(
            Audience::Machine,
            browser("/closed", Access::Session, get(|| async { "open" })),
        ),
        of(
            Audience::Program,
            browser("/api/v1/closed", Access::Watch, get(|| async { "open" })),
        ),
        of(Audience::Program, large),
    ];
    let beside = beside(&app, "target/no-site", extra).await;
    let host = app.url.trim_start_matches("http://");
    let ask = async |path: &str| {
        let request = app.http.get(format!("{}{path}", beside.url));
        request.header("host", host).send().await.unwrap()
    };
    let page = ask("/broken").await;
    assert_eq!(page.status(), 500);
    assert!(page.text().await.unwrap().contains("<code>err_"));
    for path in ["/machine", "/api/v1/broken"] {
        let said = problem(ask(path).await, 500).await;
        let detail = said["detail"].as_str().unwrap();
        assert!(
            detail.contains("err_") && !detail.contains("canary"),
            "{detail}"
        );
    }
    problem(ask("/closed").await, 401).await;
    problem(ask("/api/v1/closed").await, 401).await;
    let post = |body: &'static str| {
        let request = app.http.post(format!("{}/api/v1/large", beside.url));
        request.body(body).send()
    };
    assert_eq!(post("0123456789").await.unwrap().status(), 200);
    problem(post("0123456789x").await.unwrap(), 413).await;
}
