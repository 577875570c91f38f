//! Floods: by address, by client, in all, and what they must not do to somebody who signed in before.

use std::sync::Arc;

use billhook::store::Store;
use reqwest::Response;

use crate::{
    contract,
    engines::{Engine, database_url, on_both_engines},
    helpers::{
        Browser, TestApp, assert_redirect, eventually, new_client, spawn_app, spawn_app_with,
    },
    mails::settled,
    portal_faults::Log,
};

on_both_engines!(
    checklist_13_what_other_sites_make_a_browser_ask_for_takes_nothing,
    checklist_13_an_address_gets_three_mails_and_then_one_an_hour,
    checklist_13_a_browser_gets_no_second_mail_within_a_minute,
    checklist_13_a_client_asks_five_times_and_then_once_a_minute,
    checklist_13_clients_that_cannot_be_told_apart_share_one_strict_limit,
    checklist_13_an_ipv6_network_is_one_client,
    checklist_13_mails_in_all_are_limited,
    checklist_13_mails_beyond_the_limit_wait_for_their_turn_and_hold_up_nobody,
    checklist_13_strangers_lock_nobody_out,
    checklist_9_a_client_tries_thirty_codes_a_minute,
);

async fn ask(browser: &mut Browser<'_>, address: &str) -> Response {
    browser.post("/api/ask_link", &[("email", address)]).await
}

/// Asks for `address` from a client of its own, so many times. All are answered alike.
async fn flood(app: &TestApp, address: &str, times: usize) {
    for _ in 0..times {
        assert_redirect(&ask(&mut app.browser(), address).await, "/sign-in/check");
    }
    settled(app).await;
}

async fn checklist_13_an_address_gets_three_mails_and_then_one_an_hour(engine: Engine) {
    let url = database_url(engine).await;
    let first = spawn_app_with(&url, |_| {}).await;
    first.known("ada@example.com").await;
    flood(&first, "ada@example.com", 50).await;
    assert_eq!(first.mails_to("ada@example.com").len(), 3);
    // Another process on the same database, as after a crash.
    drop(first);
    let app = spawn_app_with(&url, |_| {}).await;
    flood(&app, "Ada@Example.com", 50).await;
    assert_eq!(app.mails_to("ada@example.com").len(), 0);
    for (seconds, mails) in [(3_500, 0), (200, 1), (3_400, 1), (200, 2), (3 * 3_600, 5)] {
        app.clock.advance(seconds);
        flood(&app, "ada@example.com", 10).await;
        assert_eq!(app.mails_to("ada@example.com").len(), mails);
    }
    app.known("bob@example.com").await;
    flood(&app, "bob@example.com", 1).await;
    assert_eq!(app.mails_to("bob@example.com").len(), 1);
    let rows = contract::dump(&app.app.store, "allowance").await;
    assert!(rows.contains("address:") && !rows.contains('@'), "{rows}");
}

async fn checklist_13_a_browser_gets_no_second_mail_within_a_minute(engine: Engine) {
    let app = spawn_app(engine).await;
    app.known("ada@example.com").await;
    let mut browser = app.browser();
    for (seconds, mails) in [(0, 1), (1, 1), (30, 1), (60, 2)] {
        app.clock.advance(seconds);
        let answer = ask(&mut browser, "ada@example.com").await;
        assert_redirect(&answer, "/sign-in/check");
        settled(&app).await;
        assert_eq!(app.mails_to("ada@example.com").len(), mails, "{seconds}");
    }
    // What was refused took nothing, and the first link works in the browser as it is called now.
    flood(&app, "ada@example.com", 1).await;
    assert_eq!(app.mails_to("ada@example.com").len(), 3);
    let mail = app.mails_to("ada@example.com").remove(0);
    let token = &mail.text.expose().split("token=").nth(1).unwrap()[..43];
    browser.get(&format!("/sign-in/link?token={token}")).await;
    let answer = browser.post("/api/confirm_link", &[]).await;
    assert_redirect(&answer, "/billing");
}

/// A new browser at a place, which asks for an address of its own.
async fn ask_from(app: &TestApp, client: &str, number: usize) -> Response {
    let mut browser = app.browser();
    client.clone_into(&mut browser.client);
    ask(&mut browser, &format!("nobody{number}@example.com")).await
}

async fn checklist_13_a_client_asks_five_times_and_then_once_a_minute(engine: Engine) {
    let app = spawn_app(engine).await;
    let client = new_client();
    for number in 0..100 {
        // What it claims of itself, before what the proxy says, makes it nobody else.
        let forged = format!("{}, {client}", new_client());
        let answer = ask_from(&app, &forged, number).await;
        if number < 5 {
            assert_redirect(&answer, "/sign-in/check");
            continue;
        }
        assert_eq!(answer.status(), 429);
        let seconds = answer.headers()["retry-after"].to_str().unwrap();
        assert!((1..=60).contains(&seconds.parse().unwrap()), "{seconds}");
        let page = answer.text().await.unwrap();
        assert!(page.contains("A short pause, please") && !page.contains("nobody"));
    }
    let rows = contract::dump(&app.app.store, "sign_in").await;
    assert_eq!(rows.lines().count(), 5, "who is refused writes nothing");
    assert_eq!(ask_from(&app, &new_client(), 100).await.status(), 303);
    for _ in 0..3 {
        app.clock.advance(60);
        assert_eq!(ask_from(&app, &client, 101).await.status(), 303);
        assert_eq!(ask_from(&app, &client, 102).await.status(), 429);
    }
    app.clock.advance(600);
    for number in 103..108 {
        assert_eq!(ask_from(&app, &client, number).await.status(), 303);
    }
    assert_eq!(ask_from(&app, &client, 108).await.status(), 429);
}

async fn checklist_13_clients_that_cannot_be_told_apart_share_one_strict_limit(engine: Engine) {
    let app = spawn_app(engine).await;
    let twenty = vec!["127.0.0.1"; 20].join(", ");
    let far = format!("{},{twenty}", new_client());
    let unknown = ["", "unknown", "127.0.0.1", "10.0.0.1, 1.2.3", far.as_str()];
    assert_eq!(ask_from(&app, "garbage", 0).await.status(), 303);
    for (number, client) in unknown.into_iter().enumerate() {
        assert_eq!(
            ask_from(&app, client, number).await.status(),
            429,
            "{client}"
        );
    }
    assert_eq!(ask_from(&app, &new_client(), 9).await.status(), 303);
    app.clock.advance(60);
    assert_eq!(ask_from(&app, "", 10).await.status(), 303);
    assert_eq!(ask_from(&app, "", 11).await.status(), 429);
}

async fn checklist_13_an_ipv6_network_is_one_client(engine: Engine) {
    let app = spawn_app(engine).await;
    for number in 0..7 {
        let client = format!("2001:db8:0:1:{number}::{number}");
        let status = ask_from(&app, &client, number).await.status();
        assert_eq!(status, if number < 5 { 303 } else { 429 });
    }
    let other = ask_from(&app, "[2001:db8:0:2::1]:4711", 8).await;
    assert_eq!(other.status(), 303);
}

async fn checklist_13_mails_in_all_are_limited(engine: Engine) {
    let app = spawn_app_with(&database_url(engine).await, |app| {
        Arc::make_mut(&mut app.config).mails_per_hour = Some(10);
    })
    .await;
    let friend = app.signed_in("friend@example.com").await.cookies;
    for number in 1..11 {
        let address = format!("ada{number}@example.com");
        app.known(&address).await;
        let answer = ask(&mut app.browser(), &address).await;
        assert_redirect(&answer, "/sign-in/check");
    }
    let sent = || (1..11).filter(|n| !app.mails_to(&format!("ada{n}@example.com")).is_empty());
    eventually(|| async { (sent().count() == 9).then_some(()) }).await;
    // Who signed in here before is not held up by it.
    let mut again = app.browser();
    again.cookies = friend;
    app.ask(&mut again, "friend@example.com").await;
    assert_eq!(sent().count(), 9, "with the friend's ten");
    app.clock.advance(5 * 60);
    while billhook::domain::outbox::step(&app.app).await.unwrap() {}
    assert_eq!(sent().count(), 9);
    app.clock.advance(61 + 10);
    settled(&app).await;
    assert_eq!(sent().count(), 10, "one more after six minutes");
}

/// When the mails are due that have not been sent.
async fn due(app: &TestApp) -> Vec<i64> {
    const SQL: &str = "SELECT due_at FROM outbox WHERE sent_at IS NULL AND withheld_at IS NULL";
    match &app.app.store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(SQL).fetch_all(readers).await,
        Store::Postgres(pool) => sqlx::query_scalar(SQL).fetch_all(pool).await,
    }
    .unwrap()
}

async fn checklist_13_mails_beyond_the_limit_wait_for_their_turn_and_hold_up_nobody(
    engine: Engine,
) {
    let app = spawn_app_with(&database_url(engine).await, |app| {
        Arc::make_mut(&mut app.config).mails_per_hour = Some(10);
    })
    .await;
    let friend = app.signed_in("friend@example.com").await.cookies;
    let count = 30;
    for number in 0..count {
        let address = format!("ada{number}@example.com");
        app.known(&address).await;
        assert_redirect(&ask(&mut app.browser(), &address).await, "/sign-in/check");
    }
    let sent = || {
        let addresses = (0..count).map(|number| format!("ada{number}@example.com"));
        addresses
            .filter(|address| !app.mails_to(address).is_empty())
            .count()
    };
    let now = app.clock.now();
    // All the others wait for the one moment at which there is an allowance again, 360 seconds after the first
    // of all was taken; until then nobody looks at them.
    let waiting = eventually(|| async {
        let due = due(&app).await;
        let all_wait = due.len() == count - 9 && due.iter().all(|due_at| *due_at > now + 60);
        all_wait.then_some(due)
    })
    .await;
    let first = waiting[0];
    assert!(
        waiting.iter().all(|due_at| (due_at - first).abs() <= 1),
        "{waiting:?}"
    );
    assert!((now + 300..=now + 361).contains(&first), "{now} {first}");
    assert_eq!(sent(), 9);
    // A known device gets its mail meanwhile.
    let mut again = app.browser();
    again.cookies = friend;
    app.clock.advance(61);
    app.ask(&mut again, "friend@example.com").await;
    eventually(|| async { (due(&app).await.len() == count - 9).then_some(()) }).await;
    assert_eq!(due(&app).await, waiting, "nobody has looked at them");
    // Then one leaves, and the others' turn would come after their links' end.
    app.clock.advance(301);
    settled(&app).await;
    assert_eq!(sent(), 10);
}

async fn checklist_13_strangers_lock_nobody_out(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut open = app.signed_in("ada@example.com").await;
    let mut mallory = app.signed_in("mallory@example.com").await;
    let mut mine = app.browser();
    mine.cookies.clone_from(&open.cookies);
    for name in ["billhook_access", "billhook_refresh"] {
        mine.cookies.remove(name);
    }
    for _ in 0..3 {
        app.clock.advance(20 * 60);
        assert_eq!(open.get("/billing").await.status(), 200);
    }
    flood(&app, "ada@example.com", 20).await;
    let before = app.mails_to("ada@example.com").len();
    assert_eq!(
        before, 4,
        "one of mine, three of strangers that are still good"
    );
    // Another's device, and one that is none, count as strangers.
    ask(&mut mallory, "ada@example.com").await;
    for forged in ["x", "x.y", &"x".repeat(4_000)] {
        let mut forger = app.browser();
        let device = ("billhook_device".to_owned(), forged.to_owned());
        forger.cookies.extend([device]);
        ask(&mut forger, "ada@example.com").await;
    }
    settled(&app).await;
    assert_eq!(app.mails_to("ada@example.com").len(), before);
    // Three times it is mine alone, in place of a stranger's link each time.
    for round in 1..=3 {
        app.ask(&mut mine, "ada@example.com").await;
        assert_eq!(app.mails_to("ada@example.com").len(), before + round);
        // The clock must not jump over the lease of a mail that has left and is not written down yet.
        settled(&app).await;
        app.clock.advance(61);
        flood(&app, "ada@example.com", 3).await;
    }
    ask(&mut mine, "ada@example.com").await;
    settled(&app).await;
    assert_eq!(app.mails_to("ada@example.com").len(), before + 3);
    let code = app.code("ada@example.com").await;
    let answer = mine.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&answer, "/billing");
    assert_eq!(open.get("/billing").await.status(), 200);
}

async fn checklist_9_a_client_tries_thirty_codes_a_minute(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    for number in 0..32 {
        let code = format!("{number:08}");
        let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
        assert_eq!(answer.status(), if number < 30 { 303 } else { 429 });
        browser.cookies.clear();
    }
    let answer = browser.post("/api/confirm_link", &[]).await;
    assert_eq!(answer.status(), 429);
    assert_eq!(browser.get("/sign-in/check").await.status(), 200);
    app.clock.advance(2);
    let answer = browser.post("/api/confirm_link", &[]).await;
    assert_redirect(&answer, "/sign-in/confirm");
}

/// A picture on another page can be any address of ours: the browser asks for it by GET.
async fn checklist_13_what_other_sites_make_a_browser_ask_for_takes_nothing(engine: Engine) {
    let app = spawn_app(engine).await;
    app.known("ada@example.com").await;
    let mut browser = app.browser();
    for path in ["/api/ask_link", "/api/enter_code", "/api/confirm_link"] {
        for _ in 0..40 {
            assert_eq!(
                browser.send("GET", path, None).await.status(),
                405,
                "{path}"
            );
        }
    }
    app.ask(&mut browser, "ada@example.com").await;
}

/// On one thread, so that all that the program logs can be heard.
#[tokio::test]
async fn checklist_65_a_proxy_that_names_no_visitor_is_told_to_the_operator_once_in_a_while() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let lines = || log.text().matches("share one strict limit").count();
    assert_eq!(ask_from(&app, &new_client(), 0).await.status(), 303);
    assert_eq!(app.browser().get("/").await.status(), 200);
    assert_eq!(lines(), 0);
    for (seconds, client, expected) in [
        (0, "", 1),
        (1, "garbage", 1),
        (300, "127.0.0.1", 1),
        (300, "", 2),
        (599, "", 2),
    ] {
        app.clock.advance(seconds);
        ask_from(&app, client, 1).await;
        assert_eq!(lines(), expected, "{seconds} {client}");
    }
    let text = log.text();
    let told = text
        .lines()
        .filter(|line| line.contains("share one strict limit"));
    let told: Vec<_> = told.collect();
    for words in ["WARN", "127.0.0.1", "proxy_set_header", "TRUSTED_PROXIES"] {
        assert!(told[0].contains(words), "{words}: {told:?}");
    }
    assert!(
        told[0].contains("count=1") && told[1].contains("count=3"),
        "{told:?}"
    );
    assert!(
        !told.iter().any(|line| line.contains("garbage")),
        "{told:?}"
    );
}
