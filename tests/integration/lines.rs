//! The log: what a stranger can repeat writes a bounded number of lines, and what an operator has to act on
//! writes one.

use std::{process::Command, sync::Arc};

use billhook::{domain::outbox, mail::Mailer, store::Store};
use tokio_util::sync::CancellationToken;

use crate::{
    doors::{raw, with_broken_routes},
    engines::{Engine, database_url},
    helpers::{spawn_app, spawn_app_with},
    mails::settled,
    portal_faults::Log,
    scripted::{Answer, Scripted},
};

const ADA: &str = "ada@example.com";
/// More than any of these lines is written in a minute.
const OFTEN: usize = 30;

/// In a process of its own: the throttles of log lines are one for the process, and the clocks of other tests open them again.
#[test]
fn checklist_66_what_strangers_repeat_writes_few_lines() {
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lines::what_strangers_repeat", "--ignored"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// On one thread, as all here, so that all that the program logs can be heard.
#[tokio::test]
#[ignore = "runs in a process of its own, started by the test above"]
async fn what_strangers_repeat() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let few = |words: &str, most: usize| {
        let count = log.text().matches(words).count();
        assert!(count <= most, "{count} of {words}");
        count
    };
    for _ in 0..OFTEN {
        app.browser().post("/api/ask_link", &[("email", ADA)]).await;
    }
    few("sign-in asked for too often", 10);
    settled(&app).await;

    let mut bob = app.signed_in("bob@example.com").await;
    let page = bob.get("/billing").await.text().await.unwrap();
    let id = page.split("cus_").nth(1).unwrap();
    let id: String = id.chars().take_while(char::is_ascii_alphanumeric).collect();
    let told = format!("/billing?problem=unavailable&customer=cus_{id}");
    for _ in 0..OFTEN {
        assert_eq!(bob.get(&told).await.status(), 503);
    }
    few("a list tells of a click that failed", 10);

    let stop = CancellationToken::new();
    let url = with_broken_routes(&app, &stop).await;
    let host = app.url.trim_start_matches("http://");
    let request = format!("GET /dev/mail HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    for _ in 0..OFTEN {
        assert!(raw(&url, &request).await.starts_with("HTTP/1.1 500"));
    }
    assert!(few("a handler broke", 20) > 0);
    stop.cancel();

    let mut asked = app.browser();
    asked.post("/api/ask_link", &[("email", ADA)]).await;
    app.app.store.close().await;
    for _ in 0..OFTEN {
        assert_eq!(bob.get("/billing").await.status(), 503);
        assert_eq!(asked.get("/sign-in/check").await.status(), 503);
    }
    assert!(few("the session could not be looked up", 20) > 0);
    few("the database did not answer", 10);
}

#[tokio::test]
async fn a_mail_server_that_takes_no_mail_of_ours_is_an_alarm() {
    let (log, _heard) = Log::listen();
    let running = spawn_app(Engine::Sqlite).await;
    let mut app = running.app.clone();
    app.store = Store::connect(&database_url(Engine::Sqlite).await)
        .await
        .unwrap();
    // The line is written seldom, by all programs of this process together: this one is of another day.
    app.clock.advance(400 * 24 * 60 * 60);
    crate::mails::make_known(&app, ADA).await;
    let lines = || log.text().matches("no customer can sign in").count();
    for (refusal, is_alarm) in [
        ("450 4.2.0 greylisted", false),
        ("550 5.1.1 no such user", false),
        ("554 5.7.1 relay denied", true),
    ] {
        let server = Scripted::start(move |_, line| match line.starts_with("RCPT") {
            true => Answer::Say(refusal),
            false => Answer::Usual,
        })
        .await;
        let from = app.config.mail_from.clone();
        app.mailer = Mailer::smtp(&server.url(), from, "Northwind").unwrap();
        app.clock.advance(700);
        while outbox::step(&app).await.unwrap() {}
        crate::even_mails::ask_of(&app, ADA).await;
        assert!(outbox::step(&app).await.unwrap());
        assert_eq!(lines(), usize::from(is_alarm), "{refusal}");
    }
    assert!(log.text().contains("554 5.7.1 relay denied"));
}

#[tokio::test]
async fn checklist_65_a_proxy_that_is_not_trusted_is_told_in_the_log_once_in_a_while() {
    let (log, _heard) = Log::listen();
    let app = spawn_app_with(&database_url(Engine::Sqlite).await, |app| {
        Arc::make_mut(&mut app.config).trusted_proxies = Vec::new();
    })
    .await;
    let lines = || log.text().matches("TRUSTED_PROXIES does not name").count();
    // The client of the tests speaks as a proxy does.
    for _ in 0..OFTEN {
        app.http.get(&app.url).send().await.unwrap();
    }
    assert_eq!(lines(), 1);
    app.clock.advance(601);
    app.http.get(&app.url).send().await.unwrap();
    assert_eq!(lines(), 2);
}

#[tokio::test]
async fn mails_that_wait_or_are_dropped_for_the_limit_are_told_to_the_operator() {
    let (log, _heard) = Log::listen();
    let app = spawn_app_with(&database_url(Engine::Sqlite).await, |app| {
        Arc::make_mut(&mut app.config).mails_per_hour = Some(1);
    })
    .await;
    let lines = |words: &str| log.text().matches(words).count();
    for number in 0..3 {
        let address = format!("ada{number}@example.com");
        app.known(&address).await;
        app.browser()
            .post("/api/ask_link", &[("email", &address)])
            .await;
        settled(&app).await;
        let expected = usize::from(number > 0);
        assert_eq!(lines("more mails than MAILS_PER_HOUR"), expected);
        assert_eq!(lines("mails were dropped for MAILS_PER_HOUR"), expected);
    }
}
