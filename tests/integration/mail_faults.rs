//! The outbox against mail servers that say no: what is tried again, what is not, and what the operator hears.

use billhook::{
    domain::{App, account_status, browser::Visitor, delivery, email::Email, outbox, sign_in},
    mail::Mailer,
    operator::doctor::{self, State},
    store::{Store, row},
};
use futures::FutureExt;
use serde_json::Value;

use crate::{
    contract::{dump, full_customer},
    doctor::trouble,
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, assert_redirect, eventually, spawn_app, spawn_app_with},
    operator::{environment, run_with, said},
    scripted::{Answer, Scripted},
};

on_both_engines!(
    a_no_to_us_is_tried_again_and_told_while_the_link_lives,
    a_no_to_the_recipient_ends_the_mail_and_is_kept,
    an_end_without_an_answer_is_tried_again_as_the_same_mail,
    account_show_says_why_no_mail_comes,
    a_test_mail_is_sent_and_its_answer_told,
);

const ADA: &str = "ada@example.com";

fn verb(line: &str) -> &str {
    line.split([' ', ':']).next().unwrap_or_default()
}

fn at(place: &'static str, said: &'static str) -> impl Fn(usize, &str) -> Answer + Send + Sync {
    move |_, line| match verb(line) == place {
        true => Answer::Say(said),
        false => Answer::Usual,
    }
}

/// A program whose outbox moves only when the test does, and Ada's mail in it.
async fn with_a_mail(engine: Engine, running: &TestApp, server: &Scripted) -> App {
    let mut app = running.app.clone();
    let url = format!("smtp://shop:right@{}", server.address);
    app.mailer = Mailer::smtp(&url, app.config.mail_from.clone(), "Northwind").unwrap();
    app.store = Store::connect(&database_url(engine).await).await.unwrap();
    let row = full_customer("cus_1", ADA);
    let written = app
        .store
        .write(move |tx| async move { row::put_all(tx, &[&row]).await }.boxed());
    written.await.unwrap();
    let address = Email::parse(ADA).unwrap();
    let asking = sign_in::Asking::default();
    sign_in::ask(&app, &address, asking, &Visitor::default())
        .await
        .unwrap();
    app
}

async fn known_trouble(app: &App) -> Option<String> {
    let found = app
        .store
        .read(|tx| async move { delivery::trouble(tx).await }.boxed());
    found.await.unwrap().map(|trouble| trouble.says)
}

async fn last_state(app: &App) -> (&'static str, String) {
    let mails = account_status::look(app, ADA).await.unwrap().mails;
    assert_eq!(mails.len(), 1, "{mails:?}");
    (mails[0].fate.name(), mails[0].answer.clone())
}

async fn a_no_to_us_is_tried_again_and_told_while_the_link_lives(engine: Engine) {
    let running = spawn_app(engine).await;
    for (place, answer) in [
        ("", "554 5.3.2 no service"),
        ("EHLO", "550 5.7.1 bad name"),
        ("AUTH", "535 5.7.8 wrong password"),
        ("MAIL", "553 5.7.1 not yours"),
        ("RCPT", "554 5.7.1 relay denied"),
        ("DATA", "554 5.5.1 no"),
        (".", "554 5.7.1 policy"),
    ] {
        let server = Scripted::start(at(place, answer)).await;
        let app = with_a_mail(engine, &running, &server).await;
        assert!(outbox::step(&app).await.unwrap());
        let (state, said) = last_state(&app).await;
        assert!(
            state == "waiting" && said.starts_with(answer),
            "{place}: {said}"
        );
        let told = known_trouble(&app).await.unwrap();
        assert!(told.contains(answer), "{place}: {told}");
        // With growing pauses.
        assert!(!outbox::step(&app).await.unwrap(), "{place}: not at once");
        app.clock.advance(10);
        assert!(outbox::step(&app).await.unwrap(), "{place}: again");

        server.now(|_, _| Answer::Usual);
        app.clock.advance(100);
        assert!(outbox::step(&app).await.unwrap(), "{place}: once more");
        let (state, said) = last_state(&app).await;
        assert!(
            state == "sent" && said.contains("4XkQ1"),
            "{place}: {state} {said}"
        );
        assert_eq!(known_trouble(&app).await, None, "{place}");
        let (to, text) = server.mails().pop().unwrap();
        assert!(to == ADA && text.contains("Message-ID: <mail_"), "{text}");
        app.store.close().await;
    }
}

async fn a_no_to_the_recipient_ends_the_mail_and_is_kept(engine: Engine) {
    let running = spawn_app(engine).await;
    let server = Scripted::start(at("RCPT", "550 5.1.1 <ada@example.com>: Ada is unknown")).await;
    let app = with_a_mail(engine, &running, &server).await;
    assert!(outbox::step(&app).await.unwrap());
    assert_eq!(dump(&app.store, "outbox").await, "");
    let (state, said) = last_state(&app).await;
    assert_eq!(state, "refused");
    assert!(
        said.contains("550 5.1.1") && said.contains("is unknown"),
        "{said}"
    );
    assert_eq!(known_trouble(&app).await, None, "it is nobody else's");
    // What is kept tells nobody who she is, and goes with her.
    let kept = dump(&app.store, "progress").await;
    assert!(kept.contains("is unknown"), "{kept}");
    let lower = kept.to_lowercase();
    assert!(
        !lower.contains("ada@") && !lower.contains("ada is"),
        "{kept}"
    );
    billhook::domain::erase::erase(&app, ADA).await.unwrap();
    assert!(!dump(&app.store, "progress").await.contains("is unknown"));

    // A later one is a wait.
    let server = Scripted::start(at("RCPT", "450 4.2.0 greylisted")).await;
    let app = with_a_mail(engine, &running, &server).await;
    assert!(outbox::step(&app).await.unwrap());
    assert_eq!(last_state(&app).await.0, "waiting");
    assert_eq!(known_trouble(&app).await, None);
    app.clock.advance(600);
    assert!(outbox::step(&app).await.unwrap());
    let (state, said) = last_state(&app).await;
    assert!(
        state == "dropped" && said.contains("greylisted"),
        "{state} {said}"
    );
}

async fn an_end_without_an_answer_is_tried_again_as_the_same_mail(engine: Engine) {
    let running = spawn_app(engine).await;
    let server = Scripted::start(|number, line| match number == 0 && line == "." {
        true => Answer::Close,
        false => Answer::Usual,
    })
    .await;
    let app = with_a_mail(engine, &running, &server).await;
    assert!(outbox::step(&app).await.unwrap());
    assert_eq!(last_state(&app).await.0, "waiting");
    app.clock.advance(10);
    assert!(outbox::step(&app).await.unwrap());
    assert_eq!(last_state(&app).await.0, "sent");
    let ids: Vec<_> = server
        .mails()
        .iter()
        .map(|(_, text)| {
            let mut lines = text.lines();
            lines
                .find(|line| line.starts_with("Message-ID:"))
                .unwrap()
                .to_owned()
        })
        .collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}

/// What `account show` says, for people and for programs.
async fn shown(app: &TestApp, address: &str) -> (String, Value) {
    let text = said(app, &["account", "show", address]).await;
    let json = said(app, &["account", "show", address, "--json"]).await;
    assert!(
        !text.contains(address) && !json.contains(address),
        "{text}{json}"
    );
    (text, serde_json::from_str(&json).unwrap())
}

async fn ask(app: &TestApp, address: &str) {
    let answer = app
        .browser()
        .post("/api/ask_link", &[("email", address)])
        .await;
    assert_redirect(&answer, "/sign-in/check");
}

async fn has_a_mail(app: &TestApp, address: &str, state: &str) {
    eventually(|| async {
        let mails = account_status::look(&app.app, address).await.unwrap().mails;
        let has_come = mails.iter().any(|mail| mail.fate.name() == state);
        has_come.then_some(())
    })
    .await;
}

async fn account_show_says_why_no_mail_comes(engine: Engine) {
    let server = Scripted::start(|_, _| Answer::Usual).await;
    let url = server.url();
    let app = spawn_app_with(&database_url(engine).await, |app| {
        let from = app.config.mail_from.clone();
        app.mailer = Mailer::smtp(&url, from, "Northwind").unwrap();
    })
    .await;

    ask(&app, "nobody@example.com").await;
    has_a_mail(&app, "nobody@example.com", "not sent").await;
    let (text, json) = shown(&app, "nobody@example.com").await;
    assert!(text.contains("No customer is under this address"), "{text}");
    assert_eq!(json["known"], false);
    assert_eq!(json["asked"], 1);

    let id = app.customer(ADA, "Ada").await;
    ask(&app, ADA).await;
    has_a_mail(&app, ADA, "sent").await;
    let (text, json) = shown(&app, "  ADA@Example.com ").await;
    assert!(
        text.contains(&id) && text.contains("queued as 4XkQ1"),
        "{text}"
    );
    assert_eq!(json["mails"][0]["state"], "sent");
    assert!(json["address_waits_until"].is_null(), "{json}");

    for _ in 0..3 {
        ask(&app, ADA).await;
    }
    has_a_mail(&app, ADA, "not sent").await;
    let (text, json) = shown(&app, ADA).await;
    assert!(text.contains("asked for too often"), "{text}");
    assert!(json["address_waits_until"].is_i64(), "{json}");

    server.now(at("RCPT", "550 5.1.1 no such user"));
    app.customer("bob@example.com", "Bob").await;
    ask(&app, "bob@example.com").await;
    has_a_mail(&app, "bob@example.com", "refused").await;
    let (text, _) = shown(&app, "bob@example.com").await;
    assert!(
        text.contains("refused this address for good") && text.contains("550 5.1.1"),
        "{text}"
    );

    server.now(at("MAIL", "550 5.7.1 sender not allowed"));
    app.customer("cid@example.com", "Cid").await;
    ask(&app, "cid@example.com").await;
    has_a_mail(&app, "cid@example.com", "waiting").await;
    let (text, json) = shown(&app, "cid@example.com").await;
    assert!(text.contains("No mail has left to anybody since"), "{text}");
    assert!(
        text.contains("sender not allowed") && json["mails"][0]["next_try"].is_i64(),
        "{json}"
    );

    said(&app, &["account", "erase", "bob@example.com", "--yes"]).await;
    let (text, json) = shown(&app, "bob@example.com").await;
    assert!(
        text.contains("It was erased at") && json["mails"] == serde_json::json!([]),
        "{text}"
    );
    let wrong = run_with(&environment(&app), &["account", "show", "ada"]).await;
    assert!(!wrong.status.success());
}

async fn a_test_mail_is_sent_and_its_answer_told(engine: Engine) {
    let app = spawn_app(engine).await;
    let server = Scripted::start(|_, _| Answer::Usual).await;
    let mut settings = environment(&app);
    settings.insert("SMTP_URL".to_owned(), server.url());
    settings.insert("EHLO_NAME".to_owned(), "mail.example.com".to_owned());
    let output = run_with(&settings, &["mail", "test", ADA]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.contains("250 2.0.0 Ok: queued as 4XkQ1"),
        "{text}"
    );
    let mails = server.mails();
    assert!(mails.len() == 1 && mails[0].0 == ADA, "{mails:?}");
    assert!(mails[0].1.contains("Auto-Submitted: auto-generated"));
    assert!(
        server
            .heard()
            .contains(&(0, "EHLO mail.example.com".to_owned()))
    );

    server.now(at(
        "RCPT",
        "554 5.7.1 <ada@example.com>: Relay access denied",
    ));
    let output = run_with(&settings, &["mail", "test", ADA]).await;
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.contains("554 5.7.1") && errors.contains("Relay access denied"),
        "{errors}"
    );
    assert!(!errors.contains("ada@"), "{errors}");
    let output = run_with(&settings, &["mail", "test", ADA, "--json"]).await;
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        !output.status.success() && object["sent"] == false,
        "{object}"
    );
    assert_eq!(server.mails().len(), 1);
    assert!(
        !run_with(&settings, &["mail", "test", "ada"])
            .await
            .status
            .success()
    );
    let audit = said(&app, &["audit", "list"]).await;
    assert!(audit.contains("test mail to a…a@example.com"), "{audit}");
}

/// As far as a mail would come, and no further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_asks_whether_a_mail_would_be_taken() {
    let app = spawn_app(Engine::Sqlite).await;
    let server = Scripted::start(|_, _| Answer::Usual).await;
    let mut settings = crate::doctor::settings(&app);
    settings.insert(
        "SMTP_URL".to_owned(),
        format!("smtp://shop:right@{}", server.address),
    );
    let examine = async || doctor::examine(&settings, &app.clock).await;
    let findings = examine().await;
    let well = findings
        .iter()
        .find(|finding| finding.check == "mail")
        .unwrap();
    assert!(
        well.state == State::Ok && well.says.contains("250 2.1.0 Ok"),
        "{well:?}"
    );
    let lines = server.heard().into_iter().map(|(_, line)| line);
    let verbs: Vec<_> = lines.map(|line| verb(&line).to_owned()).collect();
    assert_eq!(verbs, ["EHLO", "AUTH", "MAIL", "RCPT", "RSET", "QUIT"]);
    for (place, answer, advice) in [
        ("", "554 5.3.2 go away", "machine"),
        ("EHLO", "550 5.7.1 bad name", "EHLO_NAME"),
        ("AUTH", "535 5.7.8 wrong", "SMTP_URL"),
        ("MAIL", "553 5.7.1 not yours", "MAIL_FROM"),
        ("RCPT", "554 5.7.1 relay denied", "passes nothing on"),
        (
            "RCPT",
            "553 5.7.1 Sender address rejected: not owned",
            "MAIL_FROM",
        ),
        ("RCPT", "451 4.3.0 later", "passes"),
    ] {
        server.now(at(place, answer));
        let findings = examine().await;
        let said = trouble(&findings, "mail");
        assert!(
            said.starts_with("Failure") && said.contains(answer),
            "{place}: {said}"
        );
        let finding = findings
            .iter()
            .find(|finding| finding.check == "mail")
            .unwrap();
        assert!(
            finding.advice.as_deref().unwrap().contains(advice),
            "{finding:?}"
        );
    }
    server.now(at("RCPT", "550 5.1.1 unknown"));
    let said = trouble(&examine().await, "mail");
    assert!(
        said.starts_with("Warning") && said.contains("MAIL_FROM"),
        "{said}"
    );
    assert!(server.mails().is_empty());

    // What the server of customers met is told too, until a mail leaves again.
    let address = database_url(Engine::Sqlite).await;
    server.now(at("MAIL", "550 5.7.1 not today"));
    let sending = spawn_app_with(&address, |app| {
        let url = server.url();
        app.mailer = Mailer::smtp(&url, app.config.mail_from.clone(), "x").unwrap();
    })
    .await;
    sending.customer(ADA, "Ada").await;
    ask(&sending, ADA).await;
    eventually(|| async { known_trouble(&sending.app).await }).await;
    server.now(|_, _| Answer::Usual);
    settings.insert("DATABASE_URL".to_owned(), address);
    let said = trouble(&doctor::examine(&settings, &app.clock).await, "mail");
    assert!(
        said.starts_with("Warning") && said.contains("not today"),
        "{said}"
    );
}
