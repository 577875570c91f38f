//! Mails on their way out: to whom, when, and when not any more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use billhook::{
    domain::{
        App,
        account_status::{self, MailFate},
        browser::Visitor,
        delivery::State,
        email::Email,
        outbox, sign_in,
    },
    mail::Mailer,
    store::{Store, row},
};
use futures::FutureExt;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::{
    contract::full_customer,
    engines::{Engine, on_both_engines},
    helpers::{TestApp, eventually, spawn_app},
};

on_both_engines!(
    checklist_72_mails_wait_for_the_mail_server_but_not_beyond_their_link,
    checklist_72_a_slow_mail_server_gets_no_mail_after_its_link_has_expired,
    what_is_refused_or_withheld_is_not_recorded_as_used_or_sent,
);

/// Waits until every mail of the outbox is sent or settled.
pub async fn settled(app: &TestApp) {
    const SQL: &str = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL AND withheld_at IS NULL";
    eventually(|| async {
        let open: i64 = match &app.app.store {
            Store::Sqlite { readers, .. } => sqlx::query_scalar(SQL).fetch_one(readers).await,
            Store::Postgres(pool) => sqlx::query_scalar(SQL).fetch_one(pool).await,
        }
        .unwrap();
        (open == 0).then_some(())
    })
    .await;
}

/// Makes a customer of an address, where no event can be delivered.
pub async fn make_known(app: &App, address: &str) {
    let row = full_customer("cus_1", address);
    let written = app
        .store
        .write(move |tx| async move { row::put_all(tx, &[&row]).await }.boxed());
    written.await.unwrap();
}

/// Asks as Ada, who is a customer there.
async fn ask(app: &App) {
    make_known(app, "ada@example.com").await;
    let address = Email::parse("ada@example.com").unwrap();
    sign_in::ask(
        app,
        &address,
        sign_in::Asking::default(),
        &Visitor::default(),
    )
    .await
    .unwrap();
}

/// A mail server that says nothing more once it has heard from whom a mail is. Counts those who got
/// that far.
async fn slow_server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let heard = count.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let heard = heard.clone();
            tokio::spawn(async move {
                let (read, mut write) = socket.split();
                let mut lines = BufReader::new(read).lines();
                let _ = write.write_all(b"220 slow\r\n").await;
                while let Ok(Some(line)) = lines.next_line().await {
                    if line.starts_with("EHLO") {
                        let _ = write.write_all(b"250 slow\r\n").await;
                    } else {
                        heard.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (url, count)
}

async fn checklist_72_a_slow_mail_server_gets_no_mail_after_its_link_has_expired(engine: Engine) {
    let running = spawn_app(engine).await;
    let (url, heard) = slow_server().await;
    let from = running.app.config.mail_from.clone();
    let mut app = running.app.clone();
    app.mailer = Mailer::smtp(&url, from, "Northwind").unwrap();
    app.store = Store::connect(&crate::engines::database_url(engine).await)
        .await
        .unwrap();
    ask(&app).await;
    app.clock.advance(600 - 4);
    // By itself the mailer would wait for twenty seconds.
    let step = tokio::time::timeout(Duration::from_secs(8), outbox::step(&app));
    assert!(step.await.expect("it ends with the link").unwrap());
    assert_eq!(heard.load(Ordering::Relaxed), 1, "it was begun");
    app.clock.advance(3);
    while outbox::step(&app).await.unwrap() {}
    app.clock.advance(60);
    while outbox::step(&app).await.unwrap() {}
    assert_eq!(heard.load(Ordering::Relaxed), 1, "and never again");
    assert_eq!(crate::contract::dump(&app.store, "outbox").await, "");
}

async fn checklist_72_mails_wait_for_the_mail_server_but_not_beyond_their_link(engine: Engine) {
    let running = spawn_app(engine).await;
    // The same database, with a mail server that is not there.
    let from = running.app.config.mail_from.clone();
    let mut app = running.app.clone();
    app.mailer = Mailer::smtp("smtp://127.0.0.1:1", from, "Northwind").unwrap();
    app.store = billhook::store::Store::connect(&crate::engines::database_url(engine).await)
        .await
        .unwrap();
    ask(&app).await;
    assert!(outbox::step(&app).await.unwrap(), "a first try");
    assert!(!outbox::step(&app).await.unwrap(), "not again at once");
    app.clock.advance(60);
    assert!(outbox::step(&app).await.unwrap(), "a second try");
    assert!(!outbox::step(&app).await.unwrap(), "nor at once after that");
    app.clock.advance(600);
    app.mailer = running.app.mailer.clone();
    assert!(
        outbox::step(&app).await.unwrap(),
        "the link has expired: dropped"
    );
    assert!(
        running.mails_to("ada@example.com").is_empty(),
        "and never sent"
    );
    assert_eq!(crate::contract::dump(&app.store, "outbox").await, "");
}

async fn what_is_refused_or_withheld_is_not_recorded_as_used_or_sent(engine: Engine) {
    let app = spawn_app(engine).await;
    make_known(&app.app, "ada@example.com").await;
    let mut browser: Option<String> = None;
    for address in ["ada@example.com", "ada@example.com", "nobody@example.com"] {
        let asking = sign_in::Asking {
            browser: browser.as_deref(),
            ..sign_in::Asking::default()
        };
        let email = Email::parse(address).unwrap();
        let asked = sign_in::ask(&app.app, &email, asking, &Visitor::default()).await;
        browser = Some(asked.unwrap());
    }
    settled(&app).await;
    // Per sign-in: whose, why it ended, and whether it was used, its mail sent, and its mail withheld.
    const SQL: &str = "SELECT sign_in.email, sign_in.ended_for,
            sign_in.used_at IS NOT NULL, sent_at IS NOT NULL, withheld_at IS NOT NULL
        FROM sign_in JOIN outbox ON outbox.sign_in_id = sign_in.id
        ORDER BY sign_in.email, COALESCE(sign_in.ended_for, '')";
    let rows: Vec<(String, Option<String>, bool, bool, bool)> = match &app.app.store {
        Store::Sqlite { readers, .. } => sqlx::query_as(SQL).fetch_all(readers).await,
        Store::Postgres(pool) => sqlx::query_as(SQL).fetch_all(pool).await,
    }
    .unwrap();
    let row = |email: &str, ended_for: Option<&str>, is_sent: bool| {
        let ended_for = ended_for.map(str::to_owned);
        (email.to_owned(), ended_for, false, is_sent, !is_sent)
    };
    let expected = [
        row("ada@example.com", None, true),
        row("ada@example.com", Some("refused"), false),
        row("nobody@example.com", None, false),
    ];
    assert_eq!(rows, expected);
    let standing = account_status::look(&app.app, "ada@example.com")
        .await
        .unwrap();
    let fates: Vec<_> = standing.mails.iter().map(|mail| mail.fate).collect();
    assert_eq!(fates.len(), 2);
    assert!(fates.contains(&MailFate::Known(State::Sent)) && fates.contains(&MailFate::Withheld));
}
