//! Access and refresh tokens: renewal, reuse, limits, sign-out.

use std::{collections::BTreeSet, sync::Arc};

use billhook::{
    domain::{expiry, session},
    mail::KeptMail,
    store::{
        self,
        outbox::{Kind, Mail},
        session::Session,
    },
};
use futures::{FutureExt, future::join_all};
use reqwest::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    crash::start,
    engines::{Engine, database_url, on_both_engines},
    helpers::{
        Browser, TestApp, assert_redirect, eventually, set_cookies, spawn_app, spawn_app_with,
    },
};

on_both_engines!(
    checklist_15_cookies_are_for_our_server_alone,
    an_expired_access_token_is_renewed_before_the_page,
    checklist_18_twenty_tabs_renew_at_once,
    checklist_19_a_lost_answer_may_be_asked_again,
    checklist_19_a_child_that_was_lost_and_replaced_is_a_copy,
    checklist_19_reuse_ends_the_session_and_its_owner_is_told,
    checklist_19_a_mail_about_a_reuse_is_dropped_after_a_day,
    checklist_20_two_processes_never_have_two_live_branches,
    checklist_21_a_kill_after_the_rotation_signs_nobody_out,
    checklist_23_idle_and_absolute_limits_hold,
    checklist_23_a_clock_set_back_revives_nothing,
    checklist_23_an_open_page_that_nobody_touches_idles_out,
    checklist_23_the_limits_are_settings,
    checklist_22_signing_out_ends_the_session_in_the_database,
    checklist_17_forged_tokens_are_nobody,
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

async fn checklist_18_twenty_tabs_renew_at_once(engine: Engine) {
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

async fn checklist_19_a_lost_answer_may_be_asked_again(engine: Engine) {
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

/// The session's row, by a browser's cookies.
async fn row_of(app: &TestApp, browser: &Browser<'_>) -> Session {
    let refresh = &browser.cookies["billhook_refresh"];
    let id = refresh.split('.').next().unwrap().to_owned();
    let found = app
        .app
        .store
        .read(move |tx| async move { store::session::find(tx, &id).await }.boxed());
    found.await.unwrap().unwrap()
}

fn mails_about_reuse(app: &TestApp, address: &str) -> Vec<KeptMail> {
    let mut mails = app.mails_to(address);
    mails.retain(|mail| mail.subject.starts_with("You were signed out of Northwind"));
    mails
}

async fn checklist_19_a_child_that_was_lost_and_replaced_is_a_copy(engine: Engine) {
    let app = spawn_app(engine).await;
    for (address, later) in [("ada@example.com", 0), ("bob@example.com", 60)] {
        let mut owner = app.signed_in(address).await;
        let old = owner.cookies.clone();
        app.clock.advance(6 * 60);
        assert_eq!(owner.get("/billing").await.status(), 200);
        let lost = std::mem::replace(&mut owner.cookies, old);
        app.clock.advance(60);
        assert_eq!(owner.get("/billing").await.status(), 200, "a lost answer");
        app.clock.advance(later);
        let mut thief = app.browser();
        thief.cookies = lost;
        assert_redirect(&thief.get("/billing").await, "/");
        assert!(row_of(&app, &owner).await.ended_at.is_some());
        assert_redirect(&owner.get("/billing").await, "/");
    }
}

async fn checklist_19_reuse_ends_the_session_and_its_owner_is_told(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut owner = app.signed_in("ada@example.com").await;
    let mut thief = app.browser();
    thief.cookies = owner.cookies.clone();
    let copy = owner.cookies.clone();
    app.clock.advance(6 * 60);
    owner.get("/billing").await;
    owner.get("/billing").await;
    app.clock.advance(60);
    assert_redirect(&thief.get("/billing").await, "/");
    assert_redirect(&owner.get("/billing").await, "/");
    assert_eq!(
        owner.cookies.into_keys().collect::<Vec<_>>(),
        ["billhook_device", "billhook_ended"],
        "worthless cookies are taken back"
    );
    let mail = eventually(|| async { mails_about_reuse(&app, "ada@example.com").pop() }).await;
    for body in [mail.text.expose(), mail.html.expose()] {
        assert!(body.contains(&format!("{}/", app.url)), "{body}");
        assert!(!body.contains("token="), "{body}");
    }
    // Once: the copy is nothing any more.
    thief.cookies = copy;
    assert_redirect(&thief.get("/billing").await, "/");
    app.ask(&mut app.browser(), "ada@example.com").await;
    assert_eq!(mails_about_reuse(&app, "ada@example.com").len(), 1);
}

async fn checklist_19_a_mail_about_a_reuse_is_dropped_after_a_day(engine: Engine) {
    let app = spawn_app(engine).await;
    let now = app.clock.now();
    for (address, ended_at) in [
        ("ada@example.com", now - 86_400),
        ("bob@example.com", now - 86_000),
    ] {
        let row = Session {
            ended_at: Some(ended_at),
            ..session::new(address.to_owned(), "", ended_at - 100)
        };
        let mail = Mail {
            id: format!("mail_to_{}", &address[..3]),
            kind: Kind::Reuse,
            sign_in_id: None,
            session_id: Some(row.id.clone()),
            asked_from: String::new(),
            attempts: 0,
            due_at: now,
            sent_at: None,
            withheld_at: None,
        };
        let written = app.app.store.write(move |tx| {
            async move {
                store::session::insert(tx, &row).await?;
                store::outbox::insert(tx, &mail).await
            }
            .boxed()
        });
        written.await.unwrap();
    }
    eventually(|| async {
        let left = crate::contract::dump(&app.app.store, "outbox").await;
        (!left.contains("mail_to_ada")).then_some(())
    })
    .await;
    eventually(|| async { mails_about_reuse(&app, "bob@example.com").pop() }).await;
    assert!(mails_about_reuse(&app, "ada@example.com").is_empty());
}

/// A second process on the same database, with the same address, secret and clock.
async fn second_process(first: &TestApp, database_url: &str) -> TestApp {
    spawn_app_with(database_url, |app| {
        let mut config = (*app.config).clone();
        config.frontend_url = first.app.config.frontend_url.clone();
        app.config = Arc::new(config);
        app.clock = first.clock.clone();
    })
    .await
}

async fn checklist_20_two_processes_never_have_two_live_branches(engine: Engine) {
    let database_url = database_url(engine).await;
    let one = spawn_app_with(&database_url, |_| {}).await;
    // Before there is a second one that could send the mail.
    let first = one.signed_in("ada@example.com").await;
    let two = second_process(&one, &database_url).await;
    one.clock.advance(6 * 60);
    let requests = (0..64).map(|number| {
        let mut tab = if number % 2 == 0 { &one } else { &two }.browser();
        tab.cookies = first.cookies.clone();
        async move {
            assert_eq!(tab.get("/billing").await.status(), 200);
            tab.cookies["billhook_refresh"].clone()
        }
    });
    let children: BTreeSet<_> = join_all(requests).await.into_iter().collect();
    assert_eq!(children.len(), 1, "{children:?}");
    assert_eq!(row_of(&one, &first).await.generation, 2, "one rotation");

    // Both have the same child now. They use it in turn, each at a process of its own.
    let mut victim = one.browser();
    let mut thief = two.browser();
    for browser in [&mut victim, &mut thief] {
        let child = children.first().unwrap().clone();
        browser.cookies.insert("billhook_refresh".to_owned(), child);
    }
    for _ in 0..4 {
        one.clock.advance(6 * 60);
        assert_eq!(victim.get("/billing").await.status(), 200);
        assert_eq!(thief.get("/billing").await.status(), 200);
        let held = [&victim, &thief].map(|browser| &browser.cookies["billhook_refresh"]);
        assert_eq!(held[0], held[1], "two branches");
    }
    // Whoever is late holds a used token, and ends it for both.
    one.clock.advance(6 * 60);
    assert_eq!(victim.get("/billing").await.status(), 200);
    assert_eq!(victim.get("/billing").await.status(), 200);
    one.clock.advance(11);
    assert_redirect(&thief.get("/billing").await, "/");
    assert_redirect(&victim.get("/billing").await, "/");
}

async fn checklist_21_a_kill_after_the_rotation_signs_nobody_out(engine: Engine) {
    let database_url = database_url(engine).await;
    let app = spawn_app_with(&database_url, |_| {}).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let refresh = browser.cookies["billhook_refresh"].clone();
    for killed in 1..=3 {
        let (running, url) = start(&database_url);
        let address = url.strip_prefix("http://").unwrap().to_owned();
        // A browser that never hears the answer, from a program that is killed when it has committed.
        let mut unheard = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET /billing HTTP/1.1\r\nhost: 127.0.0.1:3000\r\naccept: text/html\r\n\
             cookie: billhook_refresh={refresh}\r\n\r\n"
        );
        unheard.write_all(request.as_bytes()).await.unwrap();
        if killed == 1 {
            eventually(|| async { (row_of(&app, &browser).await.generation == 2).then_some(()) })
                .await;
        } else {
            // The same child once more: nothing changes that could be waited for.
            let mut byte = [0];
            unheard.read_exact(&mut byte).await.unwrap();
        }
        drop(running);
        drop(unheard);
    }
    let (_running, url) = start(&database_url);
    let retry = app
        .http
        .get(format!("{url}/billing"))
        .header("host", "127.0.0.1:3000")
        .header("accept", "text/html")
        .header("cookie", format!("billhook_refresh={refresh}"))
        .send()
        .await
        .unwrap();
    assert_eq!(retry.status(), 200);
    assert_eq!(row_of(&app, &browser).await.generation, 2, "one rotation");
    for line in set_cookies(&retry) {
        let (name, rest) = line.split_once('=').unwrap();
        let value = rest.split(';').next().unwrap().to_owned();
        browser.cookies.insert(name.to_owned(), value);
    }
    app.clock.advance(6 * 60);
    assert_eq!(
        browser.get("/billing").await.status(),
        200,
        "and it goes on"
    );
    assert_eq!(row_of(&app, &browser).await.generation, 3);
}

async fn checklist_23_idle_and_absolute_limits_hold(engine: Engine) {
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

async fn checklist_23_a_clock_set_back_revives_nothing(engine: Engine) {
    let app = spawn_app(engine).await;
    // Nobody asks any more: the program itself notices.
    let mut idle = app.signed_in("ada@example.com").await;
    app.clock.advance(30 * 60);
    assert_eq!(expiry::expire(&app.app).await.unwrap(), 1);
    app.clock.advance(-30 * 60);
    assert_redirect(&idle.get("/billing").await, "/");
    // The absolute limit is met with an access token that would still do.
    let mut busy = app.signed_in("bob@example.com").await;
    for _ in 0..24 * 3 - 1 {
        app.clock.advance(20 * 60);
        assert_eq!(busy.get("/billing").await.status(), 200);
    }
    app.clock.advance(16 * 60);
    assert_eq!(busy.get("/billing").await.status(), 200);
    let mut copy = app.browser();
    copy.cookies = busy.cookies.clone();
    app.clock.advance(4 * 60);
    assert_redirect(&busy.get("/billing").await, "/");
    app.clock.advance(-60);
    assert_redirect(&copy.get("/billing").await, "/");
}

/// Reads an open stream until it holds `wanted`.
async fn read_until(stream: &mut Response, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let chunk = stream.chunk().await.unwrap();
        assert!(chunk.is_some(), "the stream ended without {wanted}: {text}");
        let chunk = chunk.unwrap();
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    text
}

async fn checklist_23_an_open_page_that_nobody_touches_idles_out(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.signed_in("ada@example.com").await;
    let before = browser.cookies.clone();
    // The browser comes back for its stream every five minutes.
    for _ in 0..5 {
        app.clock.advance(5 * 60 + 6);
        let mut stream = browser.get("/billing/live").await;
        assert_eq!(stream.status(), 200);
        read_until(&mut stream, "event: customers").await;
        assert!(set_cookies(&stream).is_empty(), "nothing is renewed");
    }
    assert_eq!(browser.cookies, before);
    app.clock.advance(30 * 60 - 5 * (5 * 60 + 6) - 3);
    let mut stream = browser.get("/billing/live").await;
    read_until(&mut stream, "event: customers").await;
    read_until(&mut stream, "event: signed-out").await;
    assert!(row_of(&app, &browser).await.ended_at.is_some());
    assert_redirect(&browser.get("/billing").await, "/");
}

async fn checklist_23_the_limits_are_settings(engine: Engine) {
    let app = spawn_app_with(&database_url(engine).await, |app| {
        let mut config = (*app.config).clone();
        config.session_idle_minutes = 60;
        config.session_hours = 2;
        app.config = Arc::new(config);
    })
    .await;
    let mut idle = app.signed_in("ada@example.com").await;
    let mut busy = app.signed_in("bob@example.com").await;
    app.clock.advance(59 * 60);
    let renewed = busy.get("/billing").await;
    let refresh = set_cookies(&renewed)
        .into_iter()
        .find(|line| line.starts_with("billhook_refresh="));
    // It outlives the session, so that the start page can say why that ended.
    let lasts = 2 * 60 * 60 + 30 * 24 * 60 * 60;
    assert!(refresh.unwrap().contains(&format!("Max-Age={lasts}")));
    app.clock.advance(60);
    assert_redirect(&idle.get("/billing").await, "/");
    app.clock.advance(58 * 60);
    assert_eq!(busy.get("/billing").await.status(), 200);
    app.clock.advance(2 * 60);
    assert_redirect(&busy.get("/billing").await, "/");
}

async fn checklist_22_signing_out_ends_the_session_in_the_database(engine: Engine) {
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

async fn checklist_17_forged_tokens_are_nobody(engine: Engine) {
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
