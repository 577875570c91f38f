//! WriteTimeout people: a button pressed twice, and link, code and button all at once.

use futures::future::{BoxFuture, FutureExt, join, join_all};
use reqwest::Response;

use crate::{
    contract,
    engines::{Engine, on_both_engines},
    helpers::{Browser, TestApp, assert_redirect, code_in, set_cookies},
    mails::settled,
    sign_in::shop,
};

on_both_engines!(
    checklist_8_a_double_click_leaves_a_link_that_works,
    checklist_8_another_page_is_another_browser,
    checklist_6_link_code_and_button_all_at_once_sign_in_once,
);

const ADA: &str = "ada@example.com";

/// The ticket of the form on the first page, as a browser gets it now.
async fn ticket(browser: &mut Browser<'_>) -> String {
    let page = browser.get("/").await.text().await.unwrap();
    let input = page.split("name=\"ticket\"").nth(1).unwrap();
    let value = input.split("value=\"").nth(1).unwrap();
    value.split('"').next().unwrap().to_owned()
}

/// The same browser, which does not hear of the other's answers.
fn copy<'a>(app: &'a TestApp, browser: &Browser<'_>) -> Browser<'a> {
    let mut copy = app.browser();
    copy.cookies.clone_from(&browser.cookies);
    copy.client.clone_from(&browser.client);
    copy
}

async fn ask(mut browser: Browser<'_>, address: &str, ticket: &str) -> Response {
    let form = [("ticket", ticket), ("email", address)];
    browser.post("/api/ask_link", &form).await
}

/// A browser that heard of these answers alone, in this order.
fn after<'a>(app: &'a TestApp, browser: &Browser<'_>, answers: &[&Response]) -> Browser<'a> {
    let mut after = copy(app, browser);
    for line in answers.iter().flat_map(|answer| set_cookies(answer)) {
        let (name, rest) = line.split_once('=').unwrap();
        let value = rest.split(';').next().unwrap().to_owned();
        after.cookies.insert(name.to_owned(), value);
    }
    after
}

async fn checklist_8_a_double_click_leaves_a_link_that_works(engine: Engine) {
    let app = shop(engine).await;
    // What the browser has from before, and which of the two answers it takes, one after the other.
    for (number, heard) in [[0, 1].as_slice(), &[1, 0], &[0], &[1]]
        .into_iter()
        .cycle()
        .take(12)
        .enumerate()
    {
        app.clock.advance(24 * 60 * 60);
        let mut browser = app.browser();
        match number / 4 {
            0 => {}
            1 => {
                // It asked for another address a minute ago.
                let ticket = ticket(&mut browser).await;
                let before = ask(copy(&app, &browser), "bob@example.com", &ticket).await;
                browser = after(&app, &browser, &[&before]);
                app.clock.advance(61);
            }
            _ => {
                // Somebody has left a value of their own there.
                let mark = billhook::clock::random_token();
                browser.cookies.insert("billhook_browser".to_owned(), mark);
            }
        }
        let old = browser.cookies.get("billhook_browser").cloned();
        let before = app.mails_to(ADA).len();
        let ticket = ticket(&mut browser).await;
        let click = || ask(copy(&app, &browser), ADA, &ticket);
        let (one, two) = join(click(), click()).await;
        for answer in [&one, &two] {
            assert_redirect(answer, "/sign-in/check");
        }
        settled(&app).await;
        assert_eq!(app.mails_to(ADA).len(), before + 1, "it is one question");
        let answers: Vec<_> = heard.iter().map(|which| [&one, &two][*which]).collect();
        let mut asking = after(&app, &browser, &answers);
        assert_ne!(asking.cookies.get("billhook_browser"), old.as_ref());
        let page = asking.get("/sign-in/check").await.text().await.unwrap();
        assert!(page.contains(ADA), "{page}");
        let token = app.link_token(ADA).await;
        let link = format!("/sign-in/link?token={token}");
        // Whoever has what the browser had before has nothing.
        let mut planter = copy(&app, &browser);
        planter.get(&link).await;
        let answer = planter.post("/api/confirm_link", &[]).await;
        assert_redirect(&answer, "/sign-in/confirm");
        let answer = match number % 2 {
            0 => {
                asking.get(&link).await;
                asking.post("/api/confirm_link", &[]).await
            }
            _ => {
                let code = app.code(ADA).await;
                asking.post("/api/enter_code", &[("code", &code)]).await
            }
        };
        assert_redirect(&answer, "/billing");
    }
}

async fn checklist_8_another_page_is_another_browser(engine: Engine) {
    let app = shop(engine).await;
    let mut browser = app.browser();
    let tickets = [ticket(&mut browser).await, ticket(&mut browser).await];
    assert_ne!(tickets[0], tickets[1]);
    let mut marks = Vec::new();
    // What is no ticket is none.
    for ticket in [tickets[0].as_str(), &tickets[1], "", "x", "x"] {
        let answer = ask(app.browser(), ADA, ticket).await;
        assert_redirect(&answer, "/sign-in/check");
        marks.extend(set_cookies(&answer));
    }
    marks.sort();
    marks.dedup();
    assert_eq!(marks.len(), 5, "{marks:?}");
    // The cookie is not what stands in the page.
    assert!(!marks.iter().any(|line| line.contains(&tickets[0])));
    let rows = contract::dump(&app.app.store, "sign_in").await;
    assert!(!rows.contains(&tickets[0]), "{rows}");
}

async fn checklist_6_link_code_and_button_all_at_once_sign_in_once(engine: Engine) {
    let app = shop(engine).await;
    for round in 1..=10 {
        // A mail on its way while the clock jumps over its lease would be sent again.
        settled(&app).await;
        app.clock.advance(24 * 60 * 60);
        let mut browser = app.browser();
        let ticket = ticket(&mut browser).await;
        let before = app.mails_to(ADA).len();
        for _ in 0..3 {
            settled(&app).await;
            app.clock.advance(61);
            let answer = ask(copy(&app, &browser), ADA, &ticket).await;
            browser = after(&app, &browser, &[&answer]);
        }
        settled(&app).await;
        let mails = app.mails_to(ADA).split_off(before);
        assert_eq!(mails.len(), 3);
        let mut posts: Vec<BoxFuture<'_, Response>> = Vec::new();
        // No more than there are connections to the database: nobody is to wait for one.
        for number in 0..4 {
            // From places of their own: the limits are not the subject.
            let mut asking = app.browser();
            asking.cookies.clone_from(&browser.cookies);
            posts.push(ask(asking, ADA, &ticket).boxed());
            let mail = &mails[number % 3];
            let mut link = app.browser();
            link.cookies.clone_from(&browser.cookies);
            let token = mail.text.expose().split("token=").nth(1).unwrap()[..43].to_owned();
            link.cookies.insert("billhook_link".to_owned(), token);
            posts.push(async move { link.post("/api/confirm_link", &[]).await }.boxed());
            let mut typing = app.browser();
            typing.cookies.clone_from(&browser.cookies);
            let code = code_in(mail);
            posts.push(
                async move { typing.post("/api/enter_code", &[("code", &code)]).await }.boxed(),
            );
        }
        let answers = join_all(posts).await;
        assert!(
            answers.iter().all(|answer| answer.status() == 303),
            "{answers:#?}"
        );
        // Link and code of one mail, which all lead to one session.
        let entries = answers
            .iter()
            .filter(|answer| answer.headers()["location"] == "/billing");
        let mut given: Vec<_> = entries
            .map(|answer| {
                let lines = set_cookies(answer).into_iter();
                lines
                    .filter(|line| line.starts_with("billhook_refresh="))
                    .collect::<Vec<_>>()
            })
            .collect();
        given.dedup();
        assert_eq!(given.len(), 1, "{given:?}");
        let sessions = contract::dump(&app.app.store, "session").await;
        assert_eq!(sessions.lines().count(), round);
    }
}
