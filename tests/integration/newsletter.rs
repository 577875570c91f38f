//! Many customers who ask at once, and one who waits: what leaves, what is told, and what can be done.

use std::sync::Arc;

use billhook::{operator::doctor, store::Store};

use crate::{
    doctor::{examine, is_well, settings, trouble},
    engines::{Engine, database_url, on_both_engines},
    helpers::{Browser, TestApp, assert_redirect, spawn_app, spawn_app_with, without_nonces},
    mails::settled,
};

on_both_engines!(
    the_limit_of_mails_follows_the_number_of_customers,
    a_mail_that_was_dropped_for_the_limit_is_a_failure_in_the_doctor,
    the_page_sends_again_and_keeps_the_address,
    asking_within_the_pause_says_when_the_next_is_possible,
    the_page_says_nothing_of_what_others_asked_for,
    the_page_says_that_mails_have_to_wait,
);

async fn with_limit(engine: Engine, limit: Option<i64>) -> TestApp {
    spawn_app_with(&database_url(engine).await, |app| {
        Arc::make_mut(&mut app.config).mails_per_hour = limit;
    })
    .await
}

async fn ask(browser: &mut Browser<'_>, address: &str) {
    let answer = browser.post("/api/ask_link", &[("email", address)]).await;
    assert_redirect(&answer, "/sign-in/check");
}

async fn page(browser: &mut Browser<'_>) -> String {
    browser.get("/sign-in/check").await.text().await.unwrap()
}

async fn the_limit_of_mails_follows_the_number_of_customers(engine: Engine) {
    let app = with_limit(engine, None).await;
    let count = 70;
    for number in 0..count {
        let address = format!("ada{number}@example.com");
        app.known(&address).await;
        ask(&mut app.browser(), &address).await;
    }
    settled(&app).await;
    const SQL: &str = "SELECT COUNT(*) FROM sign_in WHERE handed_at IS NOT NULL";
    let sent: i64 = match &app.app.store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(SQL).fetch_one(readers).await,
        Store::Postgres(pool) => sqlx::query_scalar(SQL).fetch_one(pool).await,
    }
    .unwrap();
    assert_eq!(sent, count);
    is_well(&examine(&app).await, "sign-in");
}

async fn a_mail_that_was_dropped_for_the_limit_is_a_failure_in_the_doctor(engine: Engine) {
    let app = with_limit(engine, Some(1)).await;
    for address in ["nobody@example.com", "noone@example.com"] {
        ask(&mut app.browser(), address).await;
    }
    settled(&app).await;
    is_well(&examine(&app).await, "sign-in");
    for (number, words) in [(1, "One sign-in mail was"), (2, "2 sign-in mails were")] {
        let address = format!("ada{number}@example.com");
        app.known(&address).await;
        ask(&mut app.browser(), &address).await;
        settled(&app).await;
        let said = trouble(&examine(&app).await, "sign-in");
        assert!(said.starts_with(&format!("Failure: {words}")), "{said}");
        assert!(said.contains("MAILS_PER_HOUR"), "{said}");
    }
    // That was yesterday.
    app.clock.advance(24 * 60 * 60 + 60);
    let later = doctor::examine(&settings(&app), &app.clock).await;
    is_well(&later, "sign-in");
}

/// The value of a field that is not shown.
fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let rest = page.split(&mark).nth(1).expect("the page has it");
    rest.split('"').next().unwrap().to_owned()
}

async fn the_page_sends_again_and_keeps_the_address(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    app.ask(&mut browser, "ada@example.com").await;
    let shown = page(&mut browser).await;
    for words in ["Send again", "spam folder", "No mail after a minute?"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!(hidden(&shown, "email"), "ada@example.com");
    app.clock.advance(61);
    let ticket = hidden(&shown, "ticket");
    let form = [("email", "ada@example.com"), ("ticket", &ticket)];
    // The button may be pressed twice.
    let mut twice = app.browser();
    twice.cookies.clone_from(&browser.cookies);
    for browser in [&mut browser, &mut twice] {
        let answer = browser.post("/api/ask_link", &form).await;
        assert_redirect(&answer, "/sign-in/check");
    }
    settled(&app).await;
    assert_eq!(app.mails_to("ada@example.com").len(), 2);
    assert_eq!(browser.cookies, twice.cookies);
    let nobody = app.browser().get("/sign-in/check").await;
    assert!(!nobody.text().await.unwrap().contains("Send again"));
}

async fn asking_within_the_pause_says_when_the_next_is_possible(engine: Engine) {
    let app = spawn_app(engine).await;
    app.known("ada@example.com").await;
    let mut pages = Vec::new();
    for address in ["ada@example.com", "nobody@example.com"] {
        let mut browser = app.browser();
        ask(&mut browser, address).await;
        let first = page(&mut browser).await;
        assert!(!first.contains("No other mail was sent"), "{first}");
        app.clock.advance(20);
        ask(&mut browser, address).await;
        let answer = browser.get("/sign-in/check").await;
        let second = without_nonces(answer).await.replace("<!>", "");
        let seconds = second.split("for the next in ").nth(1).unwrap();
        let seconds: i64 = seconds.split(' ').next().unwrap().parse().unwrap();
        assert!((30..=40).contains(&seconds), "{seconds}");
        let second = second.replace(&seconds.to_string(), "some");
        pages.push(second.replace(address, "address"));
        // After that it says nothing of it any more.
        app.clock.advance(seconds + 1);
        let third = page(&mut browser).await;
        assert!(!third.contains("No other mail was sent"), "{third}");
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:#?}");
    // Three addresses at once are all that one browser gets.
    let mut browser = app.browser();
    for number in 0..4 {
        ask(&mut browser, &format!("nobody{number}@example.com")).await;
    }
    let full = page(&mut browser).await.replace("<!>", "");
    assert!(full.contains("for the next in 10 minutes"), "{full}");
}

async fn the_page_says_nothing_of_what_others_asked_for(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut pages = Vec::new();
    for number in 0..5 {
        let mut browser = app.browser();
        ask(&mut browser, "ada@example.com").await;
        assert_eq!(browser.cookies.len(), 1, "{number}");
        pages.push(without_nonces(browser.get("/sign-in/check").await).await);
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:#?}");
}

async fn the_page_says_that_mails_have_to_wait(engine: Engine) {
    let app = with_limit(engine, Some(2)).await;
    for (number, is_busy) in [(1, false), (2, true), (3, true)] {
        let mut browser = app.browser();
        ask(&mut browser, &format!("nobody{number}@example.com")).await;
        settled(&app).await;
        let shown = page(&mut browser).await;
        assert_eq!(
            shown.contains("Many people are asking"),
            is_busy,
            "{number}"
        );
    }
}
