//! A mail that nobody gets costs what others cost, so that nobody sees from the way of a mail of their own who is a
//! customer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use billhook::{
    domain::{App, browser::Visitor, email::Email, outbox, sign_in},
    mail::Mailer,
    store::Store,
};

use crate::{
    contract::dump,
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, assert_redirect, eventually, spawn_app, spawn_app_with},
    mails::settled,
    slow_office::SlowOffice,
};

on_both_engines!(
    a_mail_that_nobody_gets_takes_from_the_limit_like_others,
    a_mail_that_nobody_gets_waits_and_is_dropped_like_others,
    a_mail_that_nobody_gets_takes_the_time_of_others,
    a_mail_that_nobody_gets_fails_like_others,
    a_mail_that_nobody_gets_forgets_an_outage,
    a_mail_that_is_tried_again_takes_from_the_limit_once,
    slow_mails_hold_up_no_others,
);

async fn ask(app: &TestApp, address: &str) {
    let answer = app
        .browser()
        .post("/api/ask_link", &[("email", address)])
        .await;
    assert_redirect(&answer, "/sign-in/check");
}

async fn with_limit(engine: Engine, limit: i64) -> TestApp {
    spawn_app_with(&database_url(engine).await, |app| {
        Arc::make_mut(&mut app.config).mails_per_hour = Some(limit);
    })
    .await
}

/// How many mails have not been settled.
async fn open(app: &App) -> i64 {
    const SQL: &str = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL AND withheld_at IS NULL";
    match &app.store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(SQL).fetch_one(readers).await,
        Store::Postgres(pool) => sqlx::query_scalar(SQL).fetch_one(pool).await,
    }
    .unwrap()
}

async fn a_mail_that_nobody_gets_takes_from_the_limit_like_others(engine: Engine) {
    for name in ["known", "nobody"] {
        let app = with_limit(engine, 6).await;
        app.known("mine@example.com").await;
        for number in 0..6 {
            let address = format!("{name}{number}@example.com");
            if name == "known" {
                app.known(&address).await;
            }
            ask(&app, &address).await;
        }
        settled(&app).await;
        ask(&app, "mine@example.com").await;
        // The next of six in an hour leaves after ten minutes, when its link has expired.
        settled(&app).await;
        assert!(app.mails_to("mine@example.com").is_empty(), "{name}");
        app.clock.advance(601);
        ask(&app, "mine@example.com").await;
        app.mail("mine@example.com").await;
    }
}

async fn a_mail_that_nobody_gets_waits_and_is_dropped_like_others(engine: Engine) {
    let app = with_limit(engine, 12).await;
    for number in 0..14 {
        ask(&app, &format!("nobody{number}@example.com")).await;
    }
    eventually(|| async { (open(&app.app).await == 2).then_some(()) }).await;
    while outbox::step(&app.app).await.unwrap() {}
    assert_eq!(open(&app.app).await, 2, "two wait for their turn");
    app.clock.advance(301);
    // One of them has its turn, and the other's would come too late.
    settled(&app).await;
    assert_eq!(dump(&app.app.store, "outbox").await.lines().count(), 13);
    // What becomes of such mails is written down for no address.
    let kept = dump(&app.app.store, "progress").await;
    assert!(!kept.contains("mails:"), "{kept}");
}

/// A program that sends only when it is told to, by that mailer.
async fn still(engine: Engine, running: &TestApp, mailer: Mailer) -> App {
    let mut app = running.app.clone();
    app.mailer = mailer;
    app.store = Store::connect(&database_url(engine).await).await.unwrap();
    app
}

pub async fn ask_of(app: &App, address: &str) {
    let email = Email::parse(address).unwrap();
    let asking = sign_in::Asking::default();
    sign_in::ask(app, &email, asking, &Visitor::default())
        .await
        .unwrap();
}

/// How long one step takes.
async fn step(app: &App) -> Duration {
    let began = Instant::now();
    assert!(outbox::step(app).await.unwrap());
    began.elapsed()
}

async fn a_mail_that_nobody_gets_takes_the_time_of_others(engine: Engine) {
    let running = spawn_app(engine).await;
    let pause = Duration::from_millis(700);
    let office = SlowOffice::with_pause(pause);
    let app = still(engine, &running, office.mailer(&running.app).await).await;
    crate::mails::make_known(&app, "ada@example.com").await;
    ask_of(&app, "nobody@example.com").await;
    let before = step(&app).await;
    assert!(
        before > Duration::from_millis(500),
        "{before:?}, as a guess"
    );
    for _ in 0..2 {
        app.clock.advance(61);
        ask_of(&app, "ada@example.com").await;
        assert!(step(&app).await >= pause);
    }
    // Another process knows how long they took, and goes by it.
    for number in 0..2 {
        ask_of(&app, &format!("nobody{number}@example.com")).await;
        let took = step(&app).await;
        assert!(took >= pause, "{took:?}");
    }
    assert_eq!(open(&app).await, 0);
    assert_eq!(office.taken.lock().unwrap().len(), 2);
}

async fn a_mail_that_nobody_gets_fails_like_others(engine: Engine) {
    let running = spawn_app(engine).await;
    let from = running.app.config.mail_from.clone();
    let nowhere = Mailer::smtp("smtp://127.0.0.1:1", from, "Northwind").unwrap();
    let app = still(engine, &running, nowhere).await;
    crate::mails::make_known(&app, "ada@example.com").await;
    ask_of(&app, "ada@example.com").await;
    step(&app).await;
    ask_of(&app, "nobody@example.com").await;
    step(&app).await;
    assert_eq!(open(&app).await, 2, "both are tried again");
    assert!(!outbox::step(&app).await.unwrap(), "and not at once");
    app.clock.advance(60);
    step(&app).await;
    step(&app).await;
    assert_eq!(open(&app).await, 2);
    app.clock.advance(600);
    while outbox::step(&app).await.unwrap() {}
    assert_eq!(
        dump(&app.store, "outbox").await,
        "",
        "nor beyond their links"
    );
}

async fn a_mail_that_nobody_gets_forgets_an_outage(engine: Engine) {
    let running = spawn_app(engine).await;
    let from = running.app.config.mail_from.clone();
    let nowhere = Mailer::smtp("smtp://127.0.0.1:1", from, "Northwind").unwrap();
    let app = still(engine, &running, nowhere).await;
    crate::mails::make_known(&app, "ada@example.com").await;
    ask_of(&app, "ada@example.com").await;
    step(&app).await;
    // Nothing was sent since. The link has expired, and its mail goes.
    app.clock.advance(10 * 60 + 1);
    step(&app).await;
    for number in 0..3 {
        ask_of(&app, &format!("nobody{number}@example.com")).await;
        step(&app).await;
        assert_eq!(open(&app).await, 0, "it is settled, and not tried again");
    }
}

async fn a_mail_that_is_tried_again_takes_from_the_limit_once(engine: Engine) {
    let running = spawn_app(engine).await;
    let from = running.app.config.mail_from.clone();
    let nowhere = Mailer::smtp("smtp://127.0.0.1:1", from, "Northwind").unwrap();
    let mut app = still(engine, &running, nowhere).await;
    Arc::make_mut(&mut app.config).mails_per_hour = Some(2);
    crate::mails::make_known(&app, "ada@example.com").await;
    ask_of(&app, "ada@example.com").await;
    for _ in 0..3 {
        step(&app).await;
        app.clock.advance(20);
    }
    let office = SlowOffice::default();
    app.mailer = office.mailer(&running.app).await;
    // What tries took would be whole again only after half an hour.
    ask_of(&app, "ada@example.com").await;
    while outbox::step(&app).await.unwrap() {}
    assert_eq!(office.taken.lock().unwrap().len(), 2);
}

async fn slow_mails_hold_up_no_others(engine: Engine) {
    let office = SlowOffice::default();
    let url = database_url(engine).await;
    let config = spawn_app(engine).await;
    let mailer = office.mailer(&config.app).await;
    let app = spawn_app_with(&url, |app| app.mailer = mailer).await;
    for number in 0..6 {
        let address = format!("held{number}@example.com");
        app.known(&address).await;
        ask(&app, &address).await;
    }
    app.known("ada@example.com").await;
    ask(&app, "ada@example.com").await;
    eventually(|| async { office.has_taken("ada@example.com").then_some(()) }).await;
    assert_eq!(
        open(&app.app).await.min(6),
        6,
        "the six are still under way"
    );
    // What is under way is bounded: nobody opens hundreds of connections to the mail server.
    for number in 6..30 {
        let address = format!("held{number}@example.com");
        app.known(&address).await;
        ask(&app, &address).await;
    }
    eventually(|| async { (office.begun.lock().unwrap().len() == 11).then_some(()) }).await;
    office.released.cancel();
    eventually(|| async { (office.taken.lock().unwrap().len() == 31).then_some(()) }).await;
}
