//! Who may do what: a row for every route, and what forms from elsewhere get.

use std::collections::BTreeSet;

use billhook::http::routes::{self, Access, Handler};
use reqwest::header;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{assert_redirect, spawn_app},
    matrix::{self, MATRIX, OPERATORS, START, Things},
};

on_both_engines!(
    checklist_25_every_route_answers_as_its_row_says,
    checklist_12_forms_from_other_sites_are_refused,
    what_leads_nowhere_is_a_page,
    checklist_28_odd_requests_are_answered,
    checklist_11_after_the_sign_in_there_is_one_way_to_go,
);

async fn checklist_25_every_route_answers_as_its_row_says(engine: Engine) {
    let real: BTreeSet<_> = routes::all().iter().map(|route| route.path).collect();
    let rows: BTreeSet<_> = MATRIX.iter().map(|row| row.1).collect();
    assert_eq!(real, rows, "every route has a row, and every row a route");
    let functions: BTreeSet<_> = leptos::server_fn::axum::server_fn_paths()
        .map(|(path, _)| path)
        .collect();
    let in_table = routes::all()
        .iter()
        .filter(|route| matches!(route.handler, Handler::Function));
    let in_table: BTreeSet<_> = in_table.map(|route| route.path).collect();
    assert_eq!(functions, in_table, "server functions");

    for path in &rows {
        let word = path.trim_start_matches("/api/").trim_start_matches('/');
        let is_operators = OPERATORS.iter().any(|command| word.starts_with(command));
        assert!(!is_operators, "{path} is the operator's, by HTTP");
    }

    let app = spawn_app(engine).await;
    let things = Things::make(&app).await;
    for (method, path, form, [stranger, ada, bob]) in MATRIX {
        let mut of_path = routes::all().iter().filter(|route| route.path == *path);
        let is_public =
            !of_path.any(|route| matches!(route.access, Access::Session | Access::Watch));
        assert_eq!(
            *stranger != START || *path == "/api/sign_out",
            is_public,
            "{path}"
        );
        let (mut as_ada, mut as_bob) = (
            matrix::signed_in(&app, "ada@example.com").await,
            matrix::signed_in(&app, "bob@example.com").await,
        );
        let handle = things.another_session_of_ada(&app).await;
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| (*name, things.fill(value, &handle)))
            .collect();
        let form: Vec<_> = form
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let form = (*method == "POST").then_some(form.as_slice());
        // Ada is the last, who may end what she sends.
        for (who, expected, browser) in [
            ("a stranger", stranger, &mut app.browser()),
            ("bob", bob, &mut as_bob),
            ("ada", ada, &mut as_ada),
        ] {
            let answer = browser.send(method, path, form).await;
            let mut got = answer.status().as_str().to_owned();
            if let Some(location) = answer.headers().get(header::LOCATION) {
                let portal = format!("{}/p/session/", app.stripe_url);
                let location = location.to_str().unwrap();
                let is_portal = location.starts_with(&portal);
                let location = if is_portal { "{portal}" } else { location };
                got = format!("{got} > {location}");
            }
            assert_eq!(got, *expected, "{method} {path} {form:?} as {who}");
            if who != "ada" && *path != "/billing/live" {
                let page = answer.text().await.unwrap();
                let names = [&things.customer, "sub_of_ada", &handle];
                let named: Vec<_> = names.iter().filter(|name| page.contains(**name)).collect();
                assert!(named.is_empty(), "{method} {path} shows {who} {named:?}");
                let is_there = things.sessions_of_ada(&app).await.contains(&handle);
                assert!(is_there, "{method} {path} {form:?}: {who} ended it");
            }
        }
    }
}

async fn checklist_12_forms_from_other_sites_are_refused(engine: Engine) {
    let app = spawn_app(engine).await;
    let post = |headers: &'static [(&'static str, &'static str)]| {
        let mut request = app
            .http
            .post(format!("{}/api/ask_link", app.url))
            .header("accept", "text/html")
            .form(&[("email", "ada@example.com")]);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(post(&[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(post(&[("sec-fetch-site", "same-site")]).await, 403);
    assert_eq!(post(&[("origin", "https://evil.example")]).await, 403);
    assert_eq!(post(&[("origin", "null")]).await, 403);
    assert_eq!(post(&[]).await, 403);
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]).await, 303);
    let own = app
        .http
        .post(format!("{}/api/ask_link", app.url))
        .header("origin", &app.url);
    assert_eq!(
        own.form(&[("email", "bob@example.com")])
            .send()
            .await
            .unwrap()
            .status(),
        303
    );
}

async fn what_leads_nowhere_is_a_page(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut signed_in = app.signed_in("ada@example.com").await;
    for path in [
        "/nowhere",
        "/billing/x",
        "/dev/mail",
        "/pkg/none.js",
        "/..%2f..%2fCargo.toml",
        // Only routes are guarded, and these are none, whatever the app would make of them.
        "/billing/",
        "//billing",
        "/devices/",
        "/sign-in/check/",
        &format!("/{}", "a".repeat(300)),
    ] {
        for browser in [&mut app.browser(), &mut signed_in] {
            let answer = browser.get(path).await;
            assert_eq!(answer.status(), 404, "{path}");
            let page = answer.text().await.unwrap();
            assert!(page.contains("There is no such page"), "{path}: {page}");
        }
    }
}

async fn checklist_28_odd_requests_are_answered(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.signed_in("ada@example.com").await;
    for (path, form, status) in [
        ("/api/open_portal", vec![("customer", "cus_1")], 400),
        (
            "/api/open_portal",
            vec![("customer", "cus_1"), ("flow", "refund")],
            400,
        ),
        (
            "/api/open_portal",
            vec![("customer", "cus_1\r\nx: y\0"), ("flow", "home")],
            404,
        ),
        ("/api/enter_code", vec![], 400),
    ] {
        let answer = browser.post(path, &form).await;
        assert_eq!(answer.status(), status, "{path} {form:?}");
        assert!(answer.headers().get(header::LOCATION).is_none());
        assert!(answer.text().await.unwrap().contains("<h1>"));
    }
    let large = "x".repeat(20_000);
    assert_eq!(
        browser
            .post("/api/enter_code", &[("code", &large)])
            .await
            .status(),
        413
    );
    assert_eq!(
        browser.send("GET", "/api/sign_out", None).await.status(),
        405
    );
    assert_eq!(browser.send("DELETE", "/billing", None).await.status(), 405);
    let json = app
        .http
        .post(format!("{}/api/customers", app.url))
        .header("origin", &app.url);
    let json = json.send().await.unwrap();
    assert_eq!(
        (json.status().as_u16(), json.text().await.unwrap().as_str()),
        (401, "\"SignedOut\"")
    );
    let live = app
        .http
        .get(format!("{}/billing/live", app.url))
        .header("accept", "text/event-stream");
    assert_eq!(
        live.send().await.unwrap().text().await.unwrap(),
        "event: signed-out\ndata: the session is over\n\n"
    );
    // Not even a forged one says what a page shows.
    let page = browser
        .get("/billing?problem=unavailable&customer=cus_nobody")
        .await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(!page.contains("role=\"alert\"") && !page.contains("cus_nobody"));
}

/// There is no `next` at all: whatever a request says, the way leads to the list.
async fn checklist_11_after_the_sign_in_there_is_one_way_to_go(engine: Engine) {
    let app = spawn_app(engine).await;
    let long = format!("/{}", "x".repeat(4_000));
    for (number, next) in [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "%2f%2fevil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
        "/a/../..//evil.example",
        "http://2130706433/",
        long.as_str(),
    ]
    .into_iter()
    .enumerate()
    {
        let address = format!("ada.{number}@example.com");
        app.known(&address).await;
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(["next", "return_to", "redirect_uri"].map(|name| (name, next)))
            .finish();
        let mut browser = app.browser();
        let form = [("email", address.as_str()), ("next", next)];
        let answer = browser.post(&format!("/api/ask_link?{query}"), &form).await;
        assert_redirect(&answer, "/sign-in/check");
        let token = app.link_token(&address).await;
        let path = format!("/sign-in/link?token={token}&{query}");
        assert_redirect(&browser.get(&path).await, "/sign-in/confirm");
        let path = format!("/api/confirm_link?{query}");
        assert_redirect(&browser.post(&path, &[("next", next)]).await, "/billing");
        let answer = browser.get(&format!("/?{query}")).await;
        assert_redirect(&answer, "/billing");
    }
}

/// SQLite has no row-level security: what stands in for it is that only the store asks the database,
/// and that it asks about customers on somebody's behalf.
#[test]
fn checklist_32_customers_are_asked_for_on_somebodys_behalf() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).unwrap().to_owned();
            let source = std::fs::read_to_string(&path).unwrap_or_default();
            looked_at += 1;
            if !inside.starts_with("store") {
                let asks = ["sqlx::query", "SELECT ", "DELETE FROM ", "INSERT INTO "];
                let found: Vec<_> = asks.iter().filter(|ask| source.contains(*ask)).collect();
                assert!(found.is_empty(), "{} has {found:?}", inside.display());
            }
        }
    }
    assert!(looked_at > 100, "the sources were found");
    for (function, source) in [
        ("read", include_str!("../../src/store/card_rows.rs")),
        ("owned", include_str!("../../src/store/customer.rs")),
        ("of", include_str!("../../src/store/session.rs")),
        ("end_of", include_str!("../../src/store/session.rs")),
        ("end_all", include_str!("../../src/store/session.rs")),
    ] {
        let start = format!("pub async fn {function}(");
        let signature = source.split(&start).nth(1).unwrap();
        let signature = signature.split(')').next().unwrap();
        assert!(
            signature.contains("principal: &Principal"),
            "{function}({signature}"
        );
    }
    // What a page shows comes from these alone.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/domain/billing");
    let files = std::fs::read_dir(folder).unwrap();
    let billing: String = files
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let calls: BTreeSet<_> = billing
        .split("store::customer::")
        .skip(1)
        .map(|rest| rest.split('(').next().unwrap())
        .filter(|name| !name.contains("Customer"))
        .collect();
    assert_eq!(calls, BTreeSet::from(["owned"]));
}
