//! What stands between a visitor and the program, where it is not as it should be.

use billhook::{clock::Clock, config, domain::App, operator::doctor};
use reqwest::{Response, header::LOCATION};

use crate::{
    doctor::{is_well, settings, troubles},
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, eventually, spawn_app_with},
};

on_both_engines!(
    checklist_65_the_doctor_names_a_proxy_that_is_not_trusted,
    checklist_15_who_comes_by_http_is_led_to_https_once,
);

async fn checklist_65_the_doctor_names_a_proxy_that_is_not_trusted(engine: Engine) {
    let url = database_url(engine).await;
    let app = spawn_app_with(&url, |app| {
        trust(app, "none");
    })
    .await;
    let mut with = settings(&app);
    let found = async |with: &_| doctor::examine(with, &Clock::default()).await;
    with.insert("TRUSTED_PROXIES".to_owned(), "none".to_owned());
    is_well(&found(&with).await, "proxies");
    // The client of the tests speaks as a proxy does.
    app.http.get(&app.url).send().await.unwrap();
    eventually(|| async {
        let said = troubles(&found(&with).await, "proxies").join("\n");
        (said.starts_with("Warning") && said.contains("127.0.0.1")).then_some(())
    })
    .await;
    // It is trusted from now on.
    with.insert("TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned());
    is_well(&found(&with).await, "proxies");
}

fn trust(app: &mut App, proxies: &str) {
    let settings = [("TRUSTED_PROXIES", proxies)];
    change(app, &settings);
}

/// The same program with these settings changed.
fn change(app: &mut App, changes: &[(&str, &str)]) {
    let mut settings: std::collections::HashMap<_, _> = [
        ("FRONTEND_URL", "https://billing.example.com"),
        ("STRIPE_API_KEY", "sk_test_billhook"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_of_one_proxy"),
        ("SESSION_SECRET", "9e2b7c51d80f4a36b1c4e7f02d5a8893"),
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_FROM", "billing@example.com"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, value) in changes {
        settings.insert((*name).to_owned(), (*value).to_owned());
    }
    let read = config::read(&settings).unwrap();
    let mut config = (*app.config).clone();
    config.trusted_proxies = read.trusted_proxies;
    if changes.iter().any(|(name, _)| *name == "FRONTEND_URL") {
        config.frontend_url = read.frontend_url;
    }
    app.config = std::sync::Arc::new(config);
}

/// As a proxy asks that got this by http, or says so.
async fn by_http(app: &TestApp, path: &str, more: &[(&str, &str)]) -> Response {
    let mut request = app.http.get(format!("{}{path}", app.url));
    for (name, value) in [
        ("host", "billing.example.com"),
        ("x-forwarded-proto", "http"),
    ] {
        request = request.header(name, value);
    }
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn checklist_15_who_comes_by_http_is_led_to_https_once(engine: Engine) {
    let url = database_url(engine).await;
    let app = spawn_app_with(&url, |app| {
        change(app, &[("FRONTEND_URL", "https://billing.example.com")]);
    })
    .await;
    for (path, wanted) in [
        ("/", "/?https"),
        ("/?email=ada@example.com", "/?email=ada@example.com&https"),
    ] {
        let answer = by_http(&app, path, &[]).await;
        assert_eq!(answer.status(), 307);
        let location = answer.headers()[LOCATION].to_str().unwrap().to_owned();
        let led = location
            .strip_prefix("https://billing.example.com")
            .unwrap();
        assert_eq!(led, wanted);
        // A proxy that calls https http leads nobody around in a circle, however it writes that down.
        assert_eq!(by_http(&app, led, &[]).await.status(), 200);
        assert_eq!(by_http(&app, &format!("{led}="), &[]).await.status(), 200);
    }
    // Browsers show that they see https.
    for shown in [
        ("sec-fetch-site", "none"),
        ("cookie", "__Host-billhook_device=x"),
    ] {
        assert_eq!(
            by_http(&app, "/", &[shown]).await.status(),
            200,
            "{shown:?}"
        );
    }
    assert_eq!(
        by_http(&app, "/", &[("x-forwarded-proto", "https")])
            .await
            .status(),
        200
    );

    // A form from a page that was got by http leads to one that works.
    let form = app.http.post(format!("{}/api/ask_link", app.url));
    let form = form
        .header("host", "billing.example.com")
        .header("origin", "http://billing.example.com");
    let answer = form
        .form(&[("email", "ada@example.com")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()[LOCATION], "https://billing.example.com/");
    let form = app.http.post(format!("{}/api/ask_link", app.url));
    let form = form
        .header("host", "billing.example.com")
        .header("origin", "http://evil.example.com");
    let answer = form
        .form(&[("email", "ada@example.com")])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
}
