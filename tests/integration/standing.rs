//! What the operator is told of one address, and of the mail server after a test.

use std::sync::Arc;

use billhook::{
    domain::{account_status, delivery, outbox},
    mail::Mailer,
    store::{Store, row},
};
use futures::FutureExt;

use crate::{
    contract::full_customer,
    engines::{Engine, database_url, on_both_engines},
    helpers::{spawn_app, spawn_app_with},
    mails::settled,
    operator::{environment, run_with, said},
    scripted::{Answer, Scripted},
};

on_both_engines!(
    account_show_names_customers_of_the_other_mode,
    account_show_says_when_mails_of_all_wait,
    a_test_mail_that_is_taken_ends_the_trouble,
);

const ADA: &str = "ada@example.com";

async fn account_show_names_customers_of_the_other_mode(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut row = full_customer("cus_live", ADA);
    row.livemode = 1;
    let written = app
        .app
        .store
        .write(move |tx| async move { row::put_all(tx, &[&row]).await }.boxed());
    written.await.unwrap();
    let standing = account_status::look(&app.app, ADA).await.unwrap();
    assert_eq!(standing.of_other_mode, ["cus_live"]);
    assert!(standing.customers.is_empty());
    let text = said(&app, &["account", "show", ADA]).await;
    assert!(
        text.contains("other mode") && text.contains("cus_live"),
        "{text}"
    );
}

async fn account_show_says_when_mails_of_all_wait(engine: Engine) {
    let app = spawn_app_with(&database_url(engine).await, |app| {
        Arc::make_mut(&mut app.config).mails_per_hour = Some(1);
    })
    .await;
    app.known(ADA).await;
    for _ in 0..2 {
        let waits = account_status::look(&app.app, ADA)
            .await
            .unwrap()
            .all_wait_until;
        assert_eq!(waits, None);
        app.browser().post("/api/ask_link", &[("email", ADA)]).await;
        settled(&app).await;
        let standing = account_status::look(&app.app, ADA).await.unwrap();
        let wait = standing.all_wait_until.unwrap() - standing.now;
        assert!((3_500..3_700).contains(&wait), "{wait}");
        app.clock.advance(60 * 60 + 10);
    }
}

async fn a_test_mail_that_is_taken_ends_the_trouble(engine: Engine) {
    let running = spawn_app(engine).await;
    let url = database_url(engine).await;
    let server = Scripted::start(|_, line| match line.starts_with("MAIL") {
        true => Answer::Say("550 5.7.1 not yours"),
        false => Answer::Usual,
    })
    .await;
    let mut app = running.app.clone();
    let from = app.config.mail_from.clone();
    app.mailer = Mailer::smtp(&server.url(), from, "Northwind").unwrap();
    app.store = Store::connect(&url).await.unwrap();
    crate::mails::make_known(&app, ADA).await;
    crate::even_mails::ask_of(&app, ADA).await;
    assert!(outbox::step(&app).await.unwrap());
    let mut settings = environment(&running);
    settings.insert("DATABASE_URL".to_owned(), url);
    settings.insert("SMTP_URL".to_owned(), server.url());
    for is_taken in [false, true] {
        let output = run_with(&settings, &["mail", "test", "bob@example.com"]).await;
        assert_eq!(output.status.success(), is_taken);
        let trouble = app
            .store
            .read(|tx| async move { delivery::trouble(tx).await }.boxed());
        assert_eq!(trouble.await.unwrap().is_none(), is_taken);
        server.now(|_, _| Answer::Usual);
    }
}
