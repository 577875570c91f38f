//! Asking for a link, using it, typing its code.

use futures::future::join_all;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{assert_redirect, set_cookies, spawn_app, without_nonces},
};

on_both_engines!(
    a_link_signs_in_the_browser_that_asked,
    a_code_signs_in_the_browser_that_asked,
    checklist_2_nothing_in_the_database_signs_in,
    checklist_3_looking_at_a_link_consumes_nothing,
    checklist_5_a_link_from_another_browser_does_not_sign_in,
    checklist_6_of_64_parallel_posts_one_signs_in,
    checklist_9_five_wrong_codes_end_a_sign_in_also_in_parallel,
    checklist_7_a_link_expires,
    checklist_8_a_fourth_link_is_answered_alike_and_not_sent,
    checklist_1_every_address_gets_the_same_answer,
    a_bad_address_is_told_and_kept,
    mails_wait_for_the_mail_server_but_not_beyond_their_link,
);

async fn a_link_signs_in_the_browser_that_asked(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    let answer = browser
        .post("/api/ask_link", &[("email", " Ada@Example.com ")])
        .await;
    assert_redirect(&answer, "/sign-in/check");
    let check = browser.get("/sign-in/check").await.text().await.unwrap();
    assert!(check.contains("ada@example.com"), "{check}");

    let token = app.link_token("ada@example.com").await;
    let opened = browser.get(&format!("/sign-in/link?token={token}")).await;
    assert_redirect(&opened, "/sign-in/confirm");
    let confirm = browser.get("/sign-in/confirm").await.text().await.unwrap();
    assert!(
        confirm.contains("One more step") && confirm.contains("a…a@example.com"),
        "{confirm}"
    );
    assert!(!confirm.contains(&token), "the token is in no page");
    assert_redirect(&browser.get("/billing").await, "/");

    assert_redirect(&browser.post("/api/confirm_link", &[]).await, "/billing");
    assert_eq!(browser.get("/billing").await.status(), 200);
    assert_redirect(&browser.get("/").await, "/billing");
    assert_eq!(
        browser.cookies.len(),
        2,
        "what signing in needed is gone: {:?}",
        browser.cookies
    );
}

async fn a_code_signs_in_the_browser_that_asked(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    browser
        .post("/api/ask_link", &[("email", "ada@example.com")])
        .await;
    let code = app.code("ada@example.com").await;
    let typed = format!(" {}-{} ", &code[..4], &code[4..]);
    let mut other = app.browser();
    let answer = other.post("/api/enter_code", &[("code", &typed)]).await;
    assert_redirect(&answer, "/sign-in/check?problem=spent");
    let answer = browser.post("/api/enter_code", &[("code", &typed)]).await;
    assert_redirect(&answer, "/billing");
    let mut again = app.browser();
    again.cookies = browser.cookies.clone();
    assert_eq!(again.get("/billing").await.status(), 200);
}

async fn checklist_2_nothing_in_the_database_signs_in(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    browser
        .post("/api/ask_link", &[("email", "ada@example.com")])
        .await;
    let token = app.link_token("ada@example.com").await;
    let code = app.code("ada@example.com").await;
    let signed_in = app.signed_in("bob@example.com").await;
    let dump = app.dump().await;
    assert!(dump.contains("ada@example.com"), "the dump is one: {dump}");
    let secrets = [token, code].into_iter();
    let secrets = secrets.chain(browser.cookies.values().cloned());
    for secret in secrets.chain(signed_in.cookies.values().cloned()) {
        assert!(!dump.contains(&secret), "{secret} is in {dump}");
    }
}

async fn checklist_3_looking_at_a_link_consumes_nothing(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    browser
        .post("/api/ask_link", &[("email", "ada@example.com")])
        .await;
    let token = app.link_token("ada@example.com").await;
    let link = format!("/sign-in/link?token={token}");
    for round in 0..50 {
        let method = ["GET", "HEAD", "OPTIONS"][round % 3];
        let mut scanner = app.browser();
        scanner.send(method, &link, None).await;
        scanner.get("/sign-in/confirm").await;
        assert!(
            scanner.cookies.keys().all(|name| name == "billhook_link"),
            "{:?}",
            scanner.cookies
        );
        assert_redirect(&scanner.get("/billing").await, "/");
    }
    browser.get(&link).await;
    assert_redirect(&browser.post("/api/confirm_link", &[]).await, "/billing");
}

async fn checklist_5_a_link_from_another_browser_does_not_sign_in(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut attacker = app.browser();
    attacker
        .post("/api/ask_link", &[("email", "mallory@example.com")])
        .await;
    let token = app.link_token("mallory@example.com").await;
    let mut victim = app.browser();
    victim
        .post("/api/ask_link", &[("email", "ada@example.com")])
        .await;
    victim.get(&format!("/sign-in/link?token={token}")).await;
    let page = victim.get("/sign-in/confirm").await.text().await.unwrap();
    assert!(page.contains("Use the code instead"), "{page}");
    assert_redirect(
        &victim.post("/api/confirm_link", &[]).await,
        "/sign-in/confirm",
    );
    assert_redirect(&victim.get("/billing").await, "/");
}

async fn checklist_6_of_64_parallel_posts_one_signs_in(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    browser
        .post("/api/ask_link", &[("email", "ada@example.com")])
        .await;
    let token = app.link_token("ada@example.com").await;
    browser.get(&format!("/sign-in/link?token={token}")).await;
    let posts = (0..64).map(|_| {
        let mut copy = app.browser();
        copy.cookies = browser.cookies.clone();
        async move {
            let answer = copy.post("/api/confirm_link", &[]).await;
            let location = answer.headers()["location"].to_str().unwrap().to_owned();
            (location, set_cookies(&answer).len())
        }
    });
    let mut answers = join_all(posts).await;
    answers.sort();
    let won = answers
        .iter()
        .filter(|(location, _)| location == "/billing")
        .count();
    let lost = answers
        .iter()
        .filter(|answer| **answer == ("/sign-in/confirm".to_owned(), 0))
        .count();
    assert_eq!((won, lost), (1, 63), "{answers:?}");
    assert_eq!(
        crate::contract::dump(&app.app.store, "session")
            .await
            .lines()
            .count(),
        1
    );
}

async fn checklist_9_five_wrong_codes_end_a_sign_in_also_in_parallel(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    browser
        .post("/api/ask_link", &[("email", "ada@example.com")])
        .await;
    let code = app.code("ada@example.com").await;
    let wrong = if code == "00000000" {
        "00000001"
    } else {
        "00000000"
    };
    let answer = browser.post("/api/enter_code", &[("code", wrong)]).await;
    assert_redirect(&answer, "/sign-in/check?problem=code");
    let guesses = (0..100).map(|_| {
        let mut copy = app.browser();
        copy.cookies = browser.cookies.clone();
        async move {
            let answer = copy.post("/api/enter_code", &[("code", wrong)]).await;
            answer.headers()["location"]
                .to_str()
                .unwrap()
                .ends_with("=code")
        }
    });
    let tries_left = join_all(guesses)
        .await
        .into_iter()
        .filter(|was_told| *was_told)
        .count();
    assert!(
        tries_left <= 4,
        "{tries_left} tries were told that more are left"
    );
    let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&answer, "/sign-in/check?problem=spent");
    let token = app.link_token("ada@example.com").await;
    browser.get(&format!("/sign-in/link?token={token}")).await;
    assert_redirect(
        &browser.post("/api/confirm_link", &[]).await,
        "/sign-in/confirm",
    );
}

async fn checklist_7_a_link_expires(engine: Engine) {
    let app = spawn_app(engine).await;
    for (seconds, target) in [
        // Some seconds less, since the clock goes on while the test does.
        (580, "/billing"),
        (600, "/sign-in/confirm"),
        (601, "/sign-in/confirm"),
    ] {
        let mut browser = app.browser();
        app.ask(&mut browser, "ada@example.com").await;
        let token = app.link_token("ada@example.com").await;
        browser.get(&format!("/sign-in/link?token={token}")).await;
        app.clock.advance(seconds);
        assert_redirect(&browser.post("/api/confirm_link", &[]).await, target);
        app.clock.advance(1_000);
    }
}

async fn checklist_8_a_fourth_link_is_answered_alike_and_not_sent(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut mine = app.browser();
    mine.post("/api/ask_link", &[("email", "ada@example.com")])
        .await;
    let code = app.code("ada@example.com").await;
    let mut pages = Vec::new();
    for _ in 0..3 {
        let mut stranger = app.browser();
        let answer = stranger
            .post("/api/ask_link", &[("email", "ADA@example.com")])
            .await;
        assert_redirect(&answer, "/sign-in/check");
        pages.push(without_nonces(stranger.get("/sign-in/check").await).await);
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "the fourth is answered like the others");
    while billhook::domain::outbox::step(&app.app).await.unwrap() {}
    crate::helpers::eventually(|| async {
        (app.mails_to("ada@example.com").len() == 3).then_some(())
    })
    .await;
    let answer = mine.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&answer, "/billing");
}

async fn checklist_1_every_address_gets_the_same_answer(engine: Engine) {
    let app = spawn_app(engine).await;
    app.customer("known@example.com", "Known").await;
    let mut shapes = Vec::new();
    for address in [
        "known@example.com",
        "other@example.com",
        "other@no-such-domain.example",
    ] {
        let mut browser = app.browser();
        let answer = browser.post("/api/ask_link", &[("email", address)]).await;
        let mut headers: Vec<_> = answer
            .headers()
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        headers.sort();
        let cookies: Vec<_> = set_cookies(&answer)
            .iter()
            .map(|line| line.replace(browser.cookies.values().next().unwrap(), "value"))
            .collect();
        let location = answer.headers()["location"].clone();
        let status = answer.status();
        let body = answer.text().await.unwrap();
        let page = without_nonces(browser.get("/sign-in/check").await).await;
        shapes.push((
            status,
            headers,
            cookies,
            location,
            body,
            page.replace(address, "address"),
        ));
    }
    shapes.dedup();
    assert_eq!(shapes.len(), 1, "{shapes:#?}");
}

async fn a_bad_address_is_told_and_kept(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    let answer = browser
        .post("/api/ask_link", &[("email", "\"><script>@x")])
        .await;
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(location, "/?problem=address&email=%22%3E%3Cscript%3E%40x");
    let page = browser.get(&location).await.text().await.unwrap();
    assert!(
        page.contains("That does not look like an e-mail address"),
        "{page}"
    );
    assert!(
        page.contains("value=\"&quot;&gt;&lt;script&gt;@x\""),
        "what was typed is kept, as text: {page}"
    );
    assert!(
        !page.contains("<script>alert(1)"),
        "the shop's name is text: {page}"
    );
    assert_eq!(crate::contract::dump(&app.app.store, "sign_in").await, "");
}

async fn mails_wait_for_the_mail_server_but_not_beyond_their_link(engine: Engine) {
    use billhook::{domain::outbox, mail::Mailer};
    let running = spawn_app(engine).await;
    // The same database, with a mail server that is not there.
    let from = running.app.config.mail_from.clone();
    let mut app = running.app.clone();
    app.mailer = Mailer::smtp("smtp://127.0.0.1:1", from, "Northwind").unwrap();
    app.store = billhook::store::Store::connect(&crate::engines::database_url(engine).await)
        .await
        .unwrap();
    let address = billhook::domain::email::Email::parse("ada@example.com").unwrap();
    billhook::domain::sign_in::ask(&app, &address, None, "")
        .await
        .unwrap();
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
