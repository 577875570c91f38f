//! What stands before every route: the host, the method, the headers of every answer, and the page
//! for what broke. And the connections that carry them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use axum::{response::IntoResponse, routing::get};
use billhook::{
    http::routes::{Access, browser},
    serve,
    store::Store,
};
use futures::{StreamExt, future::join_all};
use reqwest::header;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::{
    engines::Engine,
    helpers::{TestApp, eventually, spawn_app},
};

/// What comes back for these bytes until the connection is closed.
pub async fn raw(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://"))
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good an end as any.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn host(app: &TestApp) -> &str {
    app.url.trim_start_matches("http://")
}

#[tokio::test]
async fn checklist_10_only_our_own_host_is_answered() {
    let app = spawn_app(Engine::Sqlite).await;
    let own = host(&app);
    let port = own.split(':').nth(1).unwrap();
    for (target, hosts, expected) in [
        ("/", vec![own.to_owned()], "200"),
        (&format!("http://{own}/"), vec![own.to_owned()], "200"),
        // RFC 9112, 3.2.2: the target counts.
        (
            &format!("http://{own}/"),
            vec!["evil.example".into()],
            "200",
        ),
        ("http://evil.example/", vec![own.to_owned()], "421"),
        ("/", vec!["evil.example".into()], "421"),
        ("/billing", vec![format!("evil.example:{port}")], "421"),
        ("/nowhere", vec!["evil.example".into()], "421"),
        ("/pkg/billhook.css", vec!["evil.example".into()], "421"),
        ("/", vec!["127.0.0.1".into()], "421"),
        ("/", vec![format!("localhost:{port}")], "421"),
        ("/", vec![format!("me@{own}")], "421"),
        ("/", vec![String::new()], "400"),
        ("/", vec!["evil example".into()], "400"),
        ("/", vec![], "400"),
        ("/", vec![own.to_owned(), own.to_owned()], "400"),
        ("*", vec![own.to_owned()], "400"),
        // Probes come by address.
        ("/up", vec!["10.0.0.1".into()], "200"),
        ("/ready", vec![], "200"),
        ("/ready", vec!["10.0.0.1".into()], "200"),
    ] {
        let lines: String = hosts
            .iter()
            .map(|host| format!("Host: {host}\r\n"))
            .collect();
        let request = format!("GET {target} HTTP/1.1\r\n{lines}Connection: close\r\n\r\n");
        let answer = raw(&app.url, &request).await;
        assert_eq!(status(&answer), expected, "{target} {hosts:?}: {answer}");
        assert!(!answer.contains("evil"), "{target} {hosts:?}: {answer}");
    }
}

#[tokio::test]
async fn checklist_10_links_come_from_the_settings_alone() {
    let app = spawn_app(Engine::Sqlite).await;
    app.known("ada@example.com").await;
    let form = "email=ada%40example.com";
    let request = format!(
        "POST /api/ask_link HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\nX-Forwarded-Host: evil.example\r\n\
         X-Forwarded-Proto: javascript\r\nForwarded: host=evil.example;proto=https\r\n\
         X-Original-URL: https://evil.example/\r\nAccept: text/html\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{form}",
        host(&app),
        app.url,
        form.len()
    );
    let answer = raw(&app.url, &request).await;
    assert_eq!(status(&answer), "303", "{answer}");
    assert!(!answer.contains("evil"), "{answer}");
    let mail = app.mail("ada@example.com").await;
    assert!(
        mail.text
            .expose()
            .contains(&format!("{}/sign-in/link?token=", app.url))
    );
    assert!(!mail.text.expose().contains("evil") && !mail.html.expose().contains("evil"));
}

/// Another server for the same program with routes that break, by the host of the first.
pub async fn with_broken_routes(app: &TestApp, stop: &CancellationToken) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let broken = vec![
        browser(
            "/dev/mail",
            Access::Public,
            get(|| async { std::hint::black_box(None::<&str>).expect("whsec_canary") }),
        ),
        browser(
            "/dev/mail/{number}",
            Access::Public,
            get(|| async {
                let pieces = futures::stream::iter([1, 0]).map(|by| {
                    Ok::<_, std::convert::Infallible>(format!("{}", 1 / std::hint::black_box(by)))
                });
                axum::body::Body::from_stream(pieces).into_response()
            }),
        ),
    ];
    tokio::spawn(serve::run(app.app.clone(), listener, broken, stop.clone()));
    url
}

#[tokio::test]
async fn checklist_65_a_handler_that_breaks_is_a_page_with_an_id() {
    let app = spawn_app(Engine::Sqlite).await;
    let stop = CancellationToken::new();
    let url = with_broken_routes(&app, &stop).await;
    let request = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            host(&app)
        )
    };
    let mut ids = BTreeSet::new();
    for _ in 0..3 {
        let answer = raw(&url, &request("/dev/mail")).await;
        assert_eq!(status(&answer), "500", "{answer}");
        assert!(!answer.contains("canary"), "{answer}");
        assert!(answer.contains("content-security-policy"), "{answer}");
        let id = answer.split("<code>").nth(1).unwrap()[..36].to_owned();
        assert!(id.starts_with("err_"), "{id}");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 3, "each has its own id");
    // A body that breaks half way is cut off, with nothing of ours behind it.
    let answer = raw(&url, &request("/dev/mail/1")).await;
    assert!(["", "200"].contains(&status(&answer)), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
    assert_eq!(status(&raw(&url, &request("/")).await), "200");
    stop.cancel();
}

#[tokio::test]
async fn checklist_64_every_answer_has_its_headers() {
    let app = spawn_app(Engine::Sqlite).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let large = "x".repeat(20_000);
    let mut answers = Vec::new();
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/billing"),
        ("GET", "/billing/live"),
        ("GET", "/sign-in/check"),
        ("GET", "/sign-in/confirm"),
        ("GET", "/sign-in/link?token=x"),
        ("GET", "/up"),
        ("GET", "/ready"),
        ("GET", "/nowhere"),
        ("GET", "/favicon.svg"),
        ("GET", "/api/sign_out"),
        ("POST", "/webhooks/stripe"),
        ("PUT", "/webhooks/stripe"),
        ("POST", "/nowhere"),
        ("PUT", "/billing"),
        ("TRACE", "/"),
        ("PURGE", "/"),
    ] {
        answers.push((
            format!("{method} {path}"),
            browser.send(method, path, None).await,
        ));
    }
    let large = [("code", large.as_str())];
    answers.push(("413".into(), browser.post("/api/enter_code", &large).await));
    answers.push(("400".into(), browser.post("/api/enter_code", &[]).await));
    let foreign = app.http.post(format!("{}/api/sign_out", app.url));
    answers.push(("403".into(), foreign.send().await.unwrap()));
    let misled = app.http.get(&app.url).header(header::HOST, "evil.example");
    answers.push(("421".into(), misled.send().await.unwrap()));

    let mut nonces = BTreeSet::new();
    let mut count = 0;
    for (what, answer) in answers {
        let get = |name: &str| {
            let line = answer.headers().get(name);
            line.unwrap_or_else(|| panic!("{what} has no {name}"))
                .to_str()
                .unwrap()
                .to_owned()
        };
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            (
                "permissions-policy",
                "camera=(), geolocation=(), microphone=(), payment=()",
            ),
        ] {
            assert_eq!(get(name), value, "{what}");
        }
        assert_eq!(get("referrer-policy"), "same-origin", "{what}");
        let policy = get("content-security-policy");
        for name in [
            "server",
            "x-powered-by",
            "access-control-allow-origin",
            "strict-transport-security",
        ] {
            assert!(!answer.headers().contains_key(name), "{what} has {name}");
        }
        let is_unknown = ["PUT", "TRACE", "PURGE"]
            .iter()
            .any(|method| what.starts_with(method));
        assert!(
            !is_unknown || answer.status() == 405,
            "{what}: {}",
            answer.status()
        );
        let is_for_machines = ["/up", "/ready", "/webhooks/stripe"]
            .iter()
            .any(|path| what.ends_with(path));
        if is_for_machines {
            let nothing = "default-src 'none'; base-uri 'none'; form-action 'none'; \
                frame-ancestors 'none'";
            assert_eq!(policy, nothing, "{what}");
            assert_eq!(get("cache-control"), "no-store", "{what}");
            continue;
        }
        count += 1;
        let (start, rest) = policy.split_once("'nonce-").unwrap();
        let (nonce, rest) = rest.split_once('\'').unwrap();
        assert_eq!(start, "default-src 'none'; script-src ", "{what}");
        let expected = " 'strict-dynamic' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self'; \
            connect-src 'self'; font-src 'none'; object-src 'none'; base-uri 'none'; \
            frame-ancestors 'none'; form-action 'self' https://billing.stripe.com https://invoice.stripe.com";
        // And the stand-in, whose portal it is here.
        let expected = format!("{expected} {}", app.stripe_url);
        assert_eq!(rest, expected, "{what}");
        assert!(nonce.len() >= 43, "256 bits in base64: {nonce}");
        nonces.insert(nonce.to_owned());
        let is_file = answer.headers().contains_key(header::LAST_MODIFIED);
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let is_page = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let cache = match (is_file, is_page) {
            (true, _) => "no-cache",
            (false, true) => "no-store, no-transform",
            (false, false) => "no-store",
        };
        assert_eq!(get("cache-control"), cache, "{what}");
        let vary = answer.headers().get_all(header::VARY);
        let differs_by = if is_file { "accept-encoding" } else { "cookie" };
        let vary = vary
            .iter()
            .any(|line| line.to_str().unwrap().contains(differs_by));
        assert!(vary, "{what}");
    }
    assert_eq!(nonces.len(), count, "one nonce for each answer");
}

#[tokio::test]
async fn checklist_62_the_nonce_stands_in_nonce_alone() {
    let app = spawn_app(Engine::Sqlite).await;
    let mut browser = app.signed_in("ada@example.com").await;
    for path in ["/billing", "/nowhere"] {
        let answer = browser.get(path).await;
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        let nonce = policy.split("'nonce-").nth(1).unwrap();
        let nonce = nonce.split('\'').next().unwrap().to_owned();
        let page = answer.text().await.unwrap();
        let quoted = page.matches(&format!("nonce=\"{nonce}\"")).count();
        assert_eq!(page.matches(&nonce).count(), quoted, "{path}: {page}");
        assert_eq!(
            page.matches("<script").count(),
            quoted,
            "{path}: every script has it"
        );
    }
}

#[tokio::test]
async fn checklist_61_who_says_half_a_request_is_cut_off() {
    let app = spawn_app(Engine::Sqlite).await;
    let halves = [
        String::new(),
        "GET / HT".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", host(&app)),
    ];
    let began = Instant::now();
    let all = join_all(halves.iter().map(|half| raw(&app.url, half)));
    tokio::time::timeout(Duration::from_secs(12), all)
        .await
        .expect("all are closed within 10 seconds, and a little");
    assert!(
        began.elapsed() > Duration::from_secs(5),
        "a slow line is given time"
    );
    // HTTP/2 that was not asked for is no request at all.
    let answer = raw(&app.url, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answer.is_empty() || status(&answer) == "400", "{answer}");
    let many: String = (0..2_000)
        .map(|number| format!("x-{number}: y\r\n"))
        .collect();
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n{many}\r\n", host(&app));
    assert_eq!(status(&raw(&app.url, &request).await), "431");
}

#[tokio::test]
async fn checklist_61_ready_says_503_before_connections_are_refused() {
    let app = spawn_app(Engine::Sqlite).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let slow = vec![browser(
        "/dev/mail",
        Access::Public,
        get(|| async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            "done"
        }),
    )];
    let server = tokio::spawn(serve::run(app.app.clone(), listener, slow, stop.clone()));
    let ask = |path: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            host(&app)
        );
        let url = url.clone();
        async move { raw(&url, &request).await }
    };
    assert_eq!(status(&ask("/ready").await), "200");
    let in_flight = tokio::spawn(ask("/dev/mail"));
    // It is under way once its connection is: what follows is answered after it was taken.
    assert_eq!(status(&ask("/up").await), "200");
    let told = Instant::now();
    stop.cancel();
    let answer = eventually(|| async {
        let answer = ask("/ready").await;
        (status(&answer) != "200").then_some(answer)
    })
    .await;
    assert_eq!(
        status(&answer),
        "503",
        "new connections are still answered: {answer}"
    );
    assert_eq!(status(&ask("/").await), "200");
    assert!(
        in_flight.await.unwrap().ends_with("done"),
        "what is in flight ends well"
    );
    server.await.unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_secs(15));
    assert!(
        TcpStream::connect(url.trim_start_matches("http://"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn checklist_61_ready_says_503_without_a_database() {
    let app = spawn_app(Engine::Sqlite).await;
    let Store::Sqlite { readers, .. } = &app.app.store else {
        panic!("SQLite was asked for");
    };
    readers.close().await;
    let answer = app
        .http
        .get(format!("{}/ready", app.url))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(
        app.http
            .get(format!("{}/up", app.url))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}
