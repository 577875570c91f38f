//! A button that is pressed twice and an answer that is lost: the same browser gets the same session.

use futures::future::join_all;
use reqwest::Response;

use crate::{
    contract,
    engines::{Engine, on_both_engines},
    helpers::{Browser, TestApp, assert_redirect, set_cookies},
    sign_in::shop,
};

on_both_engines!(
    a_second_press_ends_in_the_same_session,
    the_last_try_can_be_pressed_twice,
    a_lost_answer_is_given_again_for_a_minute,
    another_browser_gets_nothing_again,
    a_session_that_has_ended_is_not_given_again,
    codes_cannot_be_guessed_where_one_was_used,
    the_way_in_notices_who_is_signed_in,
);

const ADA: &str = "ada@example.com";

#[derive(Clone, Copy, Debug)]
enum Way {
    Link,
    Code,
}

const WAYS: [Way; 2] = [Way::Link, Way::Code];

/// A browser with a mail that has been opened in it.
async fn ready<'a>(app: &'a TestApp) -> (Browser<'a>, String) {
    app.clock.advance(24 * 60 * 60);
    let mut browser = app.browser();
    app.ask(&mut browser, ADA).await;
    let token = app.link_token(ADA).await;
    browser.get(&format!("/sign-in/link?token={token}")).await;
    (browser, app.code(ADA).await)
}

fn copy<'a>(app: &'a TestApp, browser: &Browser<'_>) -> Browser<'a> {
    let mut copy = app.browser();
    copy.cookies.clone_from(&browser.cookies);
    copy
}

async fn press(browser: &mut Browser<'_>, way: Way, code: &str) -> Response {
    match way {
        Way::Link => browser.post("/api/confirm_link", &[]).await,
        Way::Code => browser.post("/api/enter_code", &[("code", code)]).await,
    }
}

fn refresh(answer: &Response) -> Option<String> {
    let mut lines = set_cookies(answer).into_iter();
    lines.find(|line| line.starts_with("billhook_refresh=ses_"))
}

async fn rows(app: &TestApp, table: &str, words: &str) -> usize {
    let rows = contract::dump(&app.app.store, table).await;
    rows.lines().filter(|row| row.contains(words)).count()
}

async fn a_second_press_ends_in_the_same_session(engine: Engine) {
    let app = shop(engine).await;
    let ways = [Way::Link, Way::Code, Way::Link, Way::Code, Way::Link];
    for round in 1..=4 {
        let (browser, code) = ready(&app).await;
        let mut tabs: Vec<_> = ways.iter().map(|_| copy(&app, &browser)).collect();
        let presses = tabs.iter_mut().zip(ways);
        let presses = presses.map(|(tab, way)| press(tab, way, &code));
        let answers = join_all(presses).await;
        for answer in &answers {
            assert_redirect(answer, "/billing");
        }
        let mut given: Vec<_> = answers.iter().map(refresh).collect();
        given.dedup();
        assert!(given.len() == 1 && given[0].is_some(), "{given:?}");
        for tab in &mut tabs {
            assert_eq!(tab.get("/billing").await.status(), 200);
        }
        assert_eq!(rows(&app, "session", ADA).await, round);
        assert_eq!(rows(&app, "audit", "signed-in").await, round);
        assert_eq!(rows(&app, "audit", "failed").await, 0);
    }
}

async fn the_last_try_can_be_pressed_twice(engine: Engine) {
    let app = shop(engine).await;
    for _ in 0..4 {
        let (browser, code) = ready(&app).await;
        let wrong = if code == "00000000" { "1" } else { "0" }.repeat(8);
        for _ in 0..4 {
            let answer = press(&mut copy(&app, &browser), Way::Code, &wrong).await;
            assert_redirect(&answer, "/sign-in/check?problem=code");
        }
        let mut tabs: Vec<_> = (0..5).map(|_| copy(&app, &browser)).collect();
        let presses = tabs.iter_mut().map(|tab| press(tab, Way::Code, &code));
        let answers = join_all(presses).await;
        for answer in &answers {
            assert_redirect(answer, "/billing");
        }
        let mut given: Vec<_> = answers.iter().map(refresh).collect();
        given.dedup();
        assert!(given.len() == 1 && given[0].is_some(), "{given:?}");
    }
    // Beside wrong ones it is one try of five as before.
    let (browser, code) = ready(&app).await;
    let wrong = if code == "00000000" { "1" } else { "0" }.repeat(8);
    for _ in 0..5 {
        press(&mut copy(&app, &browser), Way::Code, &wrong).await;
    }
    let answer = press(&mut copy(&app, &browser), Way::Code, &code).await;
    assert_redirect(&answer, "/sign-in/check?problem=spent");
}

async fn a_lost_answer_is_given_again_for_a_minute(engine: Engine) {
    let app = shop(engine).await;
    for way in WAYS {
        for again in WAYS {
            let (browser, code) = ready(&app).await;
            let first = press(&mut copy(&app, &browser), way, &code).await;
            assert_redirect(&first, "/billing");
            app.clock.advance(50);
            // The browser still has what it had. It is told nothing of an old link.
            let mut retry = copy(&app, &browser);
            let page = retry.get("/sign-in/confirm").await.text().await.unwrap();
            assert!(page.contains("One more step"), "{page}");
            let page = retry.get("/sign-in/check").await.text().await.unwrap();
            assert!(page.contains(ADA), "{page}");
            let answer = press(&mut retry, again, &code).await;
            assert_redirect(&answer, "/billing");
            assert_eq!(refresh(&answer), refresh(&first), "{way:?} {again:?}");
            assert_eq!(retry.get("/billing").await.status(), 200);
            app.clock.advance(11);
            let late = press(&mut copy(&app, &browser), again, &code).await;
            assert_eq!(refresh(&late), None, "{way:?} {again:?}");
        }
    }
}

async fn another_browser_gets_nothing_again(engine: Engine) {
    let app = shop(engine).await;
    for way in WAYS {
        let (mut browser, code) = ready(&app).await;
        let link = browser.cookies["billhook_link"].clone();
        let mut other = app.browser();
        other.post("/api/ask_link", &[("email", ADA)]).await;
        other.cookies.insert("billhook_link".to_owned(), link);
        let mut without = copy(&app, &browser);
        without.cookies.remove("billhook_browser");
        assert_redirect(&press(&mut browser, way, &code).await, "/billing");
        for thief in [&mut other, &mut without] {
            for again in WAYS {
                let answer = press(thief, again, &code).await;
                assert_eq!(refresh(&answer), None, "{way:?} {again:?}");
            }
            assert_redirect(&thief.get("/billing").await, "/");
        }
    }
}

async fn a_session_that_has_ended_is_not_given_again(engine: Engine) {
    let app = shop(engine).await;
    for way in WAYS {
        let (browser, code) = ready(&app).await;
        let mut signed_in = copy(&app, &browser);
        press(&mut signed_in, way, &code).await;
        signed_in.post("/api/sign_out", &[]).await;
        for again in WAYS {
            let answer = press(&mut copy(&app, &browser), again, &code).await;
            assert_eq!(refresh(&answer), None, "{way:?} {again:?}");
        }
    }
}

async fn codes_cannot_be_guessed_where_one_was_used(engine: Engine) {
    let app = shop(engine).await;
    let (browser, code) = ready(&app).await;
    press(&mut copy(&app, &browser), Way::Code, &code).await;
    let wrong = if code == "00000000" { "1" } else { "0" }.repeat(8);
    let guesses = (0..20).map(|_| {
        let mut guess = copy(&app, &browser);
        let wrong = &wrong;
        async move { press(&mut guess, Way::Code, wrong).await }
    });
    join_all(guesses).await;
    let late = press(&mut copy(&app, &browser), Way::Code, &code).await;
    assert_eq!(refresh(&late), None);
}

async fn the_way_in_notices_who_is_signed_in(engine: Engine) {
    let app = shop(engine).await;
    let (browser, code) = ready(&app).await;
    let mut tab = copy(&app, &browser);
    press(&mut tab, Way::Code, &code).await;
    assert_redirect(&tab.get("/").await, "/billing");
    assert_redirect(&tab.get("/sign-in/confirm").await, "/billing");
    let page = tab.get("/sign-in/check").await.text().await.unwrap();
    assert!(page.contains("You are signed in already"), "{page}");
    assert!(page.contains("href=\"/billing\""), "{page}");
    // A press that comes after the answer.
    let answer = press(&mut tab, Way::Code, &code).await;
    let place = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_redirect(&tab.get(&place).await, "/billing");
    let answer = press(&mut tab, Way::Link, &code).await;
    let place = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_redirect(&tab.get(&place).await, "/billing");
    // A good link of the same address leads to the list; one of another asks first.
    for (address, is_shown) in [(ADA, false), ("mallory@example.com", true)] {
        app.clock.advance(60);
        app.ask(&mut tab, address).await;
        let token = app.link_token(address).await;
        tab.get(&format!("/sign-in/link?token={token}")).await;
        let answer = tab.get("/sign-in/confirm").await;
        assert_eq!(
            answer.status(),
            if is_shown { 200 } else { 303 },
            "{address}"
        );
    }
}
