//! The end of the program while mails are under way: those that are sent, and those that nobody gets.

use std::time::{Duration, Instant};

use billhook::{
    domain::{App, browser::Visitor, email::Email, outbox, sign_in},
    serve,
    store::{Store, progress},
};
use futures::FutureExt;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    contract::dump,
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, eventually, spawn_app},
    mails::make_known,
    slow_office::SlowOffice,
};

on_both_engines!(
    an_end_waits_for_mails_and_not_for_ever,
    an_end_lets_short_mails_finish,
);

/// A program that does not run yet, on that database.
async fn still(running: &TestApp, office: &SlowOffice, url: &str) -> App {
    let mut app = running.app.clone();
    app.mailer = office.mailer(&running.app).await;
    app.store = Store::connect(url).await.unwrap();
    app
}

async fn ask(app: &App, address: &str) {
    let email = Email::parse(address).unwrap();
    let asking = sign_in::Asking::default();
    sign_in::ask(app, &email, asking, &Visitor::default())
        .await
        .unwrap();
}

/// From now on mails that nobody gets take so long.
async fn last_delivery(app: &App, millis: u64) {
    let (clock, now) = (app.clock.clone(), app.clock.now());
    let written = app.store.write(move |tx| {
        async move {
            let at = clock.of_database(tx.clock().await?);
            let value = format!("[{{\"millis\":{millis},\"at\":{at},\"is_retried\":false}}]");
            progress::set(tx, "deliveries", &value, now).await
        }
        .boxed()
    });
    written.await.unwrap();
}

async fn begin(app: &App, stop: &CancellationToken) -> JoinHandle<Result<(), serve::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let run = serve::run(app.clone(), listener, Vec::new(), stop.clone());
    tokio::spawn(run)
}

/// How often each mail was tried, and whether it is settled.
async fn mails(store: &Store) -> Vec<(i64, bool)> {
    const SQL: &str = "SELECT attempts, COALESCE(sent_at, withheld_at) FROM outbox";
    let rows: Vec<(i64, Option<i64>)> = match store {
        Store::Sqlite { readers, .. } => sqlx::query_as(SQL).fetch_all(readers).await,
        Store::Postgres(pool) => sqlx::query_as(SQL).fetch_all(pool).await,
    }
    .unwrap();
    rows.into_iter()
        .map(|(attempts, sent_at)| (attempts, sent_at.is_some()))
        .collect()
}

fn is_closed(store: &Store) -> bool {
    match store {
        Store::Sqlite { writer, .. } => writer.is_closed(),
        Store::Postgres(pool) => pool.is_closed(),
    }
}

async fn an_end_waits_for_mails_and_not_for_ever(engine: Engine) {
    let (running, office) = (spawn_app(engine).await, SlowOffice::default());
    let url = database_url(engine).await;
    for address in ["held@example.com", "nobody@example.com"] {
        // Each of the two kinds alone, and then both.
        let app = still(&running, &office, &url).await;
        make_known(&app, "held@example.com").await;
        last_delivery(&app, 50_000).await;
        ask(&app, address).await;
        let stop = CancellationToken::new();
        let server = begin(&app, &stop).await;
        eventually(|| async {
            let tried = mails(&app.store).await;
            tried.iter().all(|mail| mail.0 > 0).then_some(())
        })
        .await;
        let began = Instant::now();
        stop.cancel();
        server.await.unwrap().unwrap();
        let took = began.elapsed();
        assert!(took < Duration::from_secs(8), "{address}: {took:?}");
        assert!(took > Duration::from_secs(1), "{address}: {took:?}");
        assert!(is_closed(&app.store), "{address}: it is left in order");
    }
    // Nothing tells them apart, and the next process does what is left of both.
    let app = still(&running, &office, &url).await;
    for mail in mails(&app.store).await {
        assert!(mail.0 > 0 && !mail.1, "{mail:?}");
    }
    assert!(!office.has_taken("held@example.com"));
    office.released.cancel();
    last_delivery(&app, 0).await;
    app.clock.advance(61);
    while outbox::step(&app).await.unwrap() {}
    assert!(office.has_taken("held@example.com"));
    let settled = mails(&app.store).await;
    assert!(
        settled.len() == 2 && settled.iter().all(|mail| mail.1),
        "{settled:?}"
    );
    assert!(!dump(&app.store, "sign_in").await.is_empty());
}

async fn an_end_lets_short_mails_finish(engine: Engine) {
    let running = spawn_app(engine).await;
    let office = SlowOffice::with_pause(Duration::from_millis(500));
    let url = database_url(engine).await;
    let app = still(&running, &office, &url).await;
    make_known(&app, "ada@example.com").await;
    last_delivery(&app, 500).await;
    ask(&app, "ada@example.com").await;
    ask(&app, "nobody@example.com").await;
    let stop = CancellationToken::new();
    let server = begin(&app, &stop).await;
    eventually(|| async {
        let tried = mails(&app.store).await;
        tried.iter().all(|mail| mail.0 > 0).then_some(())
    })
    .await;
    stop.cancel();
    server.await.unwrap().unwrap();
    assert!(office.has_taken("ada@example.com"));
    let store = Store::connect(&url).await.unwrap();
    assert_eq!(mails(&store).await, [(1, true), (1, true)]);
}
