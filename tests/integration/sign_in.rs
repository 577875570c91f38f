//! Asking for a link, using it, typing its code.

use futures::future::join_all;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, assert_redirect, eventually, new_client, set_cookies, spawn_app},
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
    checklist_11_nothing_that_is_sent_decides_where_a_sign_in_leads,
    a_bad_address_is_told_and_kept,
    unreadable_arguments_are_told_so_and_not_repeated,
);

/// A program that knows two people.
pub async fn shop(engine: Engine) -> TestApp {
    let app = spawn_app(engine).await;
    app.known("ada@example.com").await;
    app.known("mallory@example.com").await;
    app
}

async fn a_link_signs_in_the_browser_that_asked(engine: Engine) {
    let app = shop(engine).await;
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
        3,
        "two of the session and the device's; what signing in needed is gone: {:?}",
        browser.cookies
    );
}

async fn a_code_signs_in_the_browser_that_asked(engine: Engine) {
    let app = shop(engine).await;
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
    let app = shop(engine).await;
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
    let app = shop(engine).await;
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
    let app = shop(engine).await;
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
    assert!(
        page.contains("Use the code instead") && page.contains("m…y@example.com"),
        "{page}"
    );
    assert!(!page.contains("mallory@example.com"), "{page}");
    assert_redirect(
        &victim.post("/api/confirm_link", &[]).await,
        "/sign-in/confirm",
    );
    assert_redirect(&victim.get("/billing").await, "/");
}

async fn checklist_6_of_64_parallel_posts_one_signs_in(engine: Engine) {
    let app = shop(engine).await;
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
            assert_redirect(&answer, "/billing");
            let mut lines = set_cookies(&answer);
            // When each was made is in the access token.
            lines.retain(|line| !line.starts_with("billhook_access="));
            lines
        }
    });
    // It is one browser, which may take any of the answers.
    let mut answers = join_all(posts).await;
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(
        crate::contract::dump(&app.app.store, "session")
            .await
            .lines()
            .count(),
        1
    );
}

async fn checklist_9_five_wrong_codes_end_a_sign_in_also_in_parallel(engine: Engine) {
    let app = shop(engine).await;
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
    let app = shop(engine).await;
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

async fn checklist_11_nothing_that_is_sent_decides_where_a_sign_in_leads(engine: Engine) {
    let app = shop(engine).await;
    let long = format!("//evil.example/{}", "x".repeat(4096));
    for (number, next) in [
        "//evil.example",
        "/\\evil.example",
        "https:evil.example",
        "https://evil.example/",
        "%2f%2fevil.example",
        "/%09/evil.example",
        "javascript:alert(1)",
        "/a/../..//evil.example",
        "//2130706433",
        "/devices",
        &long,
    ]
    .into_iter()
    .enumerate()
    {
        app.clock.advance(24 * 60 * 60);
        let mut browser = app.browser();
        let query: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("next", next), ("return_to", next), ("redirect", next)])
            .finish();
        let page = browser.get(&format!("/?{query}")).await;
        assert_eq!(page.status(), 200);
        assert!(!page.text().await.unwrap().contains("evil"), "{next}");
        let answer = browser.get(&format!("/devices?{query}")).await;
        assert_redirect(&answer, "/");
        let ask = [("email", "ada@example.com"), ("next", next)];
        let before = app.mails_to("ada@example.com").len();
        let answer = browser.post(&format!("/api/ask_link?{query}"), &ask).await;
        assert_redirect(&answer, "/sign-in/check");
        eventually(|| async { (app.mails_to("ada@example.com").len() > before).then_some(()) })
            .await;
        let answer = match number % 2 {
            0 => {
                let token = app.link_token("ada@example.com").await;
                let link = format!("/sign-in/link?token={token}&{query}");
                assert_redirect(&browser.get(&link).await, "/sign-in/confirm");
                let confirm = format!("/api/confirm_link?{query}");
                browser.post(&confirm, &[("next", next)]).await
            }
            _ => {
                let code = app.code("ada@example.com").await;
                let enter = format!("/api/enter_code?{query}");
                browser
                    .post(&enter, &[("next", next), ("code", &code)])
                    .await
            }
        };
        assert_redirect(&answer, "/billing");
        assert_redirect(&browser.get(&format!("/?{query}")).await, "/billing");
        let answer = browser
            .post(&format!("/api/sign_out?{query}"), &[("next", next)])
            .await;
        assert_redirect(&answer, "/");
    }
}

async fn a_bad_address_is_told_and_kept(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    let answer = browser
        .post("/api/ask_link", &[("email", "\"><script>@x")])
        .await;
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(location, "/?problem=address", "histories keep addresses");
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

async fn unreadable_arguments_are_told_so_and_not_repeated(engine: Engine) {
    let app = spawn_app(engine).await;
    let form = "application/x-www-form-urlencoded";
    for (path, kind, body, accept, status) in [
        ("enter_code", form, "canary=1", "*/*", 400),
        ("enter_code", form, "canary=1", "text/html", 400),
        ("enter_code", form, "code=%ff%fecanary&code=1", "*/*", 400),
        ("ask_link", form, "email[canary]=1", "*/*", 400),
        ("ask_link", "text/plain", "email=canary", "*/*", 415),
        ("ask_link", "text/plain", "email=canary", "text/html", 415),
        (
            "ask_link",
            "application/json",
            r#"{"email":"canary"}"#,
            "*/*",
            415,
        ),
        (
            "ask_link",
            "multipart/form-data; boundary=canary",
            "--canary--",
            "*/*",
            415,
        ),
    ] {
        let request = app
            .http
            .post(format!("{}/api/{path}", app.url))
            .header("Sec-Fetch-Site", "same-origin")
            .header("X-Forwarded-For", new_client())
            .header("Content-Type", kind)
            .header("Accept", accept);
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path} {kind} {body} {accept}");
        assert!(!format!("{:?}", answer.headers()).contains("canary"));
        assert!(!answer.text().await.unwrap().contains("canary"), "{body}");
    }
    assert_eq!(crate::contract::dump(&app.app.store, "sign_in").await, "");
}
