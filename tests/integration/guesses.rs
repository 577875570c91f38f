//! Codes that are guessed: of mails that never left, and of all addresses together.

use billhook::{domain::sign_in, store::Store};
use reqwest::Response;

use crate::{
    contract::dump,
    doctor::{examine, is_well, trouble},
    engines::{Engine, database_url, on_both_engines},
    helpers::{Browser, TestApp, assert_redirect, eventually, spawn_app, spawn_app_with},
    mails::settled,
    portal_faults::Log,
    slow_office::SlowOffice,
};

on_both_engines!(
    a_code_counts_when_its_mail_was_handed_over,
    the_code_of_a_mail_that_nobody_gets_never_counts,
    wrong_codes_have_one_budget_and_links_work_beyond_it,
    one_client_cannot_spend_the_budget_of_all,
    a_known_device_signs_in_beyond_the_budget,
    a_wrong_code_counts_for_each_sign_in_that_it_is_tried_at,
    a_code_is_given_again_where_no_other_is_taken,
);

async fn enter(browser: &mut Browser<'_>, code: &str) -> Response {
    browser.post("/api/enter_code", &[("code", code)]).await
}

/// The code of the only sign-in of an address, whether its mail has left or not.
async fn code_of(app: &TestApp, address: &str) -> String {
    const SQL: &str = "SELECT id FROM sign_in WHERE email = $1";
    let id: String = match &app.app.store {
        Store::Sqlite { readers, .. } => {
            sqlx::query_scalar(SQL)
                .bind(address)
                .fetch_one(readers)
                .await
        }
        Store::Postgres(pool) => sqlx::query_scalar(SQL).bind(address).fetch_one(pool).await,
    }
    .unwrap();
    sign_in::code(&app.app, &id)
}

/// A code that is not this one.
fn other_than(code: &str) -> &'static str {
    match code {
        "00000000" => "00000001",
        _ => "00000000",
    }
}

async fn a_code_counts_when_its_mail_was_handed_over(engine: Engine) {
    let office = SlowOffice::default();
    let other = spawn_app(engine).await;
    let mailer = office.mailer(&other.app).await;
    let app = spawn_app_with(&database_url(engine).await, |app| app.mailer = mailer).await;
    app.known("held@example.com").await;
    let mut browser = app.browser();
    let ask = [("email", "held@example.com")];
    assert_redirect(&browser.post("/api/ask_link", &ask).await, "/sign-in/check");
    eventually(|| async { (office.begun.lock().unwrap().len() == 1).then_some(()) }).await;
    let code = code_of(&app, "held@example.com").await;
    let answer = enter(&mut browser, &code).await;
    assert_redirect(&answer, "/sign-in/check?problem=code");
    assert_eq!(dump(&app.app.store, "session").await, "");
    office.released.cancel();
    eventually(|| async { office.has_taken("held@example.com").then_some(()) }).await;
    assert_redirect(&enter(&mut browser, &code).await, "/billing");
}

async fn the_code_of_a_mail_that_nobody_gets_never_counts(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    let ask = [("email", "nobody@example.com")];
    assert_redirect(&browser.post("/api/ask_link", &ask).await, "/sign-in/check");
    settled(&app).await;
    let code = code_of(&app, "nobody@example.com").await;
    // Somebody comes to be under it afterwards.
    app.known("nobody@example.com").await;
    let answer = enter(&mut browser, &code).await;
    assert_redirect(&answer, "/sign-in/check?problem=code");
    // Tries are counted and told as for everybody.
    for tried in 2..=6 {
        let answer = enter(&mut browser, other_than(&code)).await;
        let problem = if tried < 5 { "code" } else { "spent" };
        let place = format!("/sign-in/check?problem={problem}");
        assert_redirect(&answer, &place);
    }
    assert_eq!(dump(&app.app.store, "session").await, "");
}

/// Types wrong codes, each in a browser that asked for an address, until none is taken. How many were.
async fn guess(app: &TestApp, addresses: &str, most: usize) -> usize {
    let mut taken = 0;
    for number in 0.. {
        let mut browser = app.browser();
        let address = format!("{addresses}{number}@example.com");
        let ask = [("email", address.as_str())];
        assert_redirect(&browser.post("/api/ask_link", &ask).await, "/sign-in/check");
        let wrong = other_than(&code_of(app, &address).await);
        for _ in 0..5 {
            let answer = enter(&mut browser, wrong).await;
            if answer.headers()["location"] == "/sign-in/check?problem=paused" {
                return taken;
            }
            taken += 1;
            assert!(taken < most, "nothing caps them");
        }
    }
    taken
}

async fn wrong_codes_have_one_budget_and_links_work_beyond_it(engine: Engine) {
    let url = database_url(engine).await;
    let app = spawn_app_with(&url, |_| {}).await;
    let mut mine = app.browser();
    app.ask(&mut mine, "ada@example.com").await;
    let code = app.code("ada@example.com").await;
    let token = app.link_token("ada@example.com").await;
    is_well(&examine(&app).await, "sign-in");
    // Right ones take nothing from it, and neither do those that are of nothing.
    for number in 0..20 {
        let answer = enter(&mut app.browser(), &format!("{number:08}")).await;
        assert_redirect(&answer, "/sign-in/check?problem=spent");
    }
    let taken = guess(&app, "nobody", 150).await;
    assert!((90..=110).contains(&taken), "{taken}");
    // Of another process too.
    let second = spawn_app_with(&url, |_| {}).await;
    let mut there = second.browser();
    there.cookies.clone_from(&mine.cookies);
    for browser in [&mut mine, &mut there] {
        let answer = enter(browser, &code).await;
        assert_redirect(&answer, "/sign-in/check?problem=paused");
    }
    let page = mine.get("/sign-in/check?problem=paused").await;
    let page = page.text().await.unwrap();
    assert!(page.contains("links work"), "{page}");
    let said = trouble(&examine(&app).await, "sign-in");
    assert!(said.contains("wrong codes"), "{said}");
    mine.get(&format!("/sign-in/link?token={token}")).await;
    assert_redirect(&mine.post("/api/confirm_link", &[]).await, "/billing");
    // It comes back evenly.
    app.clock.advance(60 * 60);
    let mut later = app.browser();
    app.ask(&mut later, "bob@example.com").await;
    let code = app.code("bob@example.com").await;
    let answer = enter(&mut later, other_than(&code)).await;
    assert_redirect(&answer, "/sign-in/check?problem=code");
    assert_redirect(&enter(&mut later, &code).await, "/billing");
}

/// Types wrong codes, each time from the next of these clients, until none is taken. How many were.
async fn guess_from(app: &TestApp, clients: &[&str], most: usize) -> usize {
    let mut next = clients.iter().cycle();
    let mut taken = 0;
    for number in 0.. {
        let mut browser = app.browser();
        let address = format!("nobody{number}.{}@example.com", clients.len());
        let ask = [("email", address.as_str())];
        assert_redirect(&browser.post("/api/ask_link", &ask).await, "/sign-in/check");
        let wrong = other_than(&code_of(app, &address).await);
        for _ in 0..5 {
            browser.client = (*next.next().unwrap()).to_owned();
            let answer = enter(&mut browser, wrong).await;
            if answer.headers()["location"] == "/sign-in/check?problem=paused" {
                return taken;
            }
            taken += 1;
            assert!(taken < most, "nothing caps them");
        }
    }
    taken
}

async fn one_client_cannot_spend_the_budget_of_all(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut ada = app.browser();
    app.ask(&mut ada, "ada@example.com").await;
    let code = app.code("ada@example.com").await;
    // A household has the whole network.
    let networks = ["2001:db8:0:7::1", "2001:db8:0:7::2", "2001:db8:0:7:8::3"];
    for clients in [&["192.0.2.7"] as &[&str], &networks] {
        let taken = guess_from(&app, clients, 40).await;
        assert!((15..=25).contains(&taken), "{clients:?}: {taken}");
    }
    is_well(&examine(&app).await, "sign-in");
    let answer = enter(&mut ada, other_than(&code)).await;
    assert_redirect(&answer, "/sign-in/check?problem=code");
    assert_redirect(&enter(&mut ada, &code).await, "/billing");
    // No address of a client is kept.
    let kept = dump(&app.app.store, "allowance").await;
    assert!(
        !kept.contains("192.0.2") && !kept.contains("2001:"),
        "{kept}"
    );
    // It comes back evenly, and is not more than it was.
    app.clock.advance(24 * 60 * 60);
    let taken = guess_from(&app, &["192.0.2.7", "192.0.2.7"], 40).await;
    assert!((15..=25).contains(&taken), "{taken}");
}

async fn a_known_device_signs_in_beyond_the_budget(engine: Engine) {
    let app = spawn_app(engine).await;
    let ada = app.signed_in("ada@example.com").await;
    let device = ada.cookies["billhook_device"].clone();
    app.clock.advance(24 * 60 * 60);
    let mut stranger = app.browser();
    app.ask(&mut stranger, "ada@example.com").await;
    let of_stranger = app.code("ada@example.com").await;
    let mut known = app.browser();
    known.cookies.insert("billhook_device".to_owned(), device);
    app.ask(&mut known, "ada@example.com").await;
    let code = app.code("ada@example.com").await;
    // Another address is a stranger's there too.
    app.ask(&mut known, "bob@example.com").await;
    let of_bob = app.code("bob@example.com").await;
    guess(&app, "nobody", 150).await;
    for (browser, code) in [(&mut stranger, &of_stranger), (&mut known, &of_bob)] {
        let answer = enter(browser, code).await;
        assert_redirect(&answer, "/sign-in/check?problem=paused");
    }
    assert_redirect(&enter(&mut known, &code).await, "/billing");
    // Nor do its wrong codes go on for ever.
    app.clock.advance(60 * 60 * 24);
    let mut again = app.browser();
    let device = known.cookies["billhook_device"].clone();
    again.cookies.insert("billhook_device".to_owned(), device);
    app.ask(&mut again, "ada@example.com").await;
    let code = app.code("ada@example.com").await;
    guess(&app, "none", 150).await;
    for tried in 1..=5 {
        let answer = enter(&mut again, other_than(&code)).await;
        let problem = if tried < 5 { "code" } else { "spent" };
        assert_redirect(&answer, &format!("/sign-in/check?problem={problem}"));
    }
    assert_redirect(
        &enter(&mut again, &code).await,
        "/sign-in/check?problem=spent",
    );
}

async fn a_wrong_code_counts_for_each_sign_in_that_it_is_tried_at(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut taken = 0;
    for number in 0.. {
        let mut browser = app.browser();
        for which in 0..3 {
            let address = format!("nobody{number}-{which}@example.com");
            let ask = [("email", address.as_str())];
            assert_redirect(&browser.post("/api/ask_link", &ask).await, "/sign-in/check");
        }
        for _ in 0..5 {
            let answer = enter(&mut browser, "00000000").await;
            if answer.headers()["location"] == "/sign-in/check?problem=paused" {
                assert!((30..=40).contains(&taken), "{taken} of three each");
                return;
            }
            taken += 1;
            assert!(taken < 50, "they count as one");
        }
    }
}

async fn a_code_is_given_again_where_no_other_is_taken(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    app.ask(&mut browser, "ada@example.com").await;
    let code = app.code("ada@example.com").await;
    let mut retry = app.browser();
    retry.cookies.clone_from(&browser.cookies);
    assert_redirect(&enter(&mut browser, &code).await, "/billing");
    guess(&app, "nobody", 150).await;
    // Its answer was lost, or the button pressed twice.
    assert_redirect(&enter(&mut retry, &code).await, "/billing");
}

/// On one thread, so that all that the program logs can be heard.
#[tokio::test]
async fn guesses_beyond_the_budget_are_told_to_the_operator_once_in_a_while() {
    let (log, _heard) = Log::listen();
    let app = spawn_app(Engine::Sqlite).await;
    let lines = || log.text().matches("somebody is guessing").count();
    guess(&app, "one", 150).await;
    assert_eq!(lines(), 1);
    guess(&app, "two", 150).await;
    assert_eq!(lines(), 1, "not for each");
    app.clock.advance(10 * 60 + 1);
    guess(&app, "three", 150).await;
    assert_eq!(lines(), 2);
}
