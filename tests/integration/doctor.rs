//! `billhook doctor`: everything right, then one thing after the other made wrong.

use std::{collections::HashMap, time::Duration};

use billhook::{
    clock::Clock,
    config::{self, Config},
    domain::mirror::{EVENTS, Kind},
    operator::doctor::{self, Finding, State},
    serve,
    store::progress,
};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{SECRET, TestApp, eventually, spawn_app},
    mail_server,
    operator::run_with,
};

on_both_engines!(
    checklist_40_a_restricted_key_is_proven_to_be_one,
    checklist_40_key_endpoint_and_database_are_of_one_mode,
    checklist_70_the_doctor_names_an_endpoint_that_is_wrong,
    checklist_70_the_doctor_looks_at_the_database_as_it_is,
    checklist_70_a_clock_that_is_off_is_named,
    a_chosen_portal_configuration_is_looked_for,
);

const KEY: &str = "rk_test_canary_4711";
/// The permissions of a key that can do what it must, and no more.
pub fn narrow() -> Vec<String> {
    let mut lists = vec!["events"];
    let abouts = Kind::ALL.into_iter().map(Kind::about);
    lists.extend(
        abouts
            .filter(|about| about.source.permission().is_some())
            .map(|about| about.list),
    );
    let mut all: Vec<_> = lists.into_iter().map(read_permission).collect();
    all.push(PORTAL.to_owned());
    all.sort();
    all.dedup();
    all
}

const PORTAL: &str = "billing_portal_session_write";

fn read_permission(list: &str) -> String {
    let noun = match list {
        "prices" => "plan",
        "invoice_payments" => "invoice",
        "checkout/sessions" => "checkout_session",
        "entitlements/active_entitlements" => "entitlement",
        list => list.trim_end_matches('s'),
    };
    format!("{noun}_read")
}

/// What the server of the test runs with, and a restricted key.
pub fn settings(app: &TestApp) -> HashMap<String, String> {
    let Config {
        database_url,
        stripe_api_base,
        ..
    } = &*app.app.config;
    [
        ("FRONTEND_URL", app.url.as_str()),
        ("DATABASE_URL", database_url.expose()),
        ("STRIPE_API_KEY", KEY),
        ("STRIPE_API_BASE", stripe_api_base.as_str()),
        ("STRIPE_WEBHOOK_SECRET", SECRET),
        ("SESSION_SECRET", "a test secret of more than 32 bytes"),
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_FROM", "billing@example.com"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Gives the key these permissions and no others.
pub async fn restrict(app: &TestApp, permissions: &[String]) {
    let order = json!({ "key": KEY, "permissions": permissions });
    let done = app.control("POST", "keys", order).await;
    assert_eq!(done["done"], true, "{done}");
}

pub fn with_endpoints() -> Vec<String> {
    and("webhook_read")
}

fn and(surplus: &str) -> Vec<String> {
    let mut permissions = narrow();
    permissions.push(surplus.to_owned());
    permissions
}

/// One endpoint at the stand-in, as the README describes it but for the changes.
pub async fn endpoint(app: &TestApp, change: &[(&str, &str)]) -> Value {
    let url = format!("{}/webhooks/stripe", app.url);
    let mut form = vec![
        ("url", url.as_str()),
        ("api_version", billhook::stripe::client::API_VERSION),
    ];
    form.retain(|(name, _)| !change.iter().any(|(changed, _)| changed == name));
    form.extend(change.iter().filter(|(_, value)| !value.is_empty()));
    if !change.iter().any(|(name, _)| *name == "enabled_events[]") {
        form.extend(EVENTS.iter().map(|name| ("enabled_events[]", *name)));
    }
    let request = app
        .http
        .post(format!("{}/v1/webhook_endpoints", app.stripe_url))
        .bearer_auth("sk_test_billhook")
        .form(&form);
    let made: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(made["object"], "webhook_endpoint", "{made}");
    made
}

pub async fn examine(app: &TestApp) -> Vec<Finding> {
    doctor::examine(&settings(app), &Clock::default()).await
}

/// The findings of that check that are no praise, as `state: says`.
pub fn troubles(findings: &[Finding], check: &str) -> Vec<String> {
    let of_check = findings.iter().filter(|finding| finding.check == check);
    of_check
        .filter(|finding| finding.state != State::Ok)
        .inspect(|finding| assert!(finding.state == State::Skipped || finding.advice.is_some()))
        .map(|finding| format!("{:?}: {}", finding.state, finding.says))
        .collect()
}

/// The only trouble of that check.
pub fn trouble(findings: &[Finding], check: &str) -> String {
    let mut all = troubles(findings, check);
    assert_eq!(all.len(), 1, "{findings:#?}");
    all.remove(0)
}

pub fn is_well(findings: &[Finding], check: &str) {
    assert_eq!(troubles(findings, check), Vec::<String>::new());
    assert!(
        findings.iter().any(|finding| finding.check == check),
        "{check} was not looked at: {findings:#?}"
    );
}

async fn checklist_40_a_restricted_key_is_proven_to_be_one(engine: Engine) {
    let app = spawn_app(engine).await;
    restrict(&app, &narrow()).await;
    // The server's own start is over.
    let before = eventually(|| async {
        Some(app.dump().await).filter(|dump| dump.contains("sweep") && dump.contains("livemode"))
    })
    .await;
    app.control("DELETE", "requests", Value::Null).await;
    let findings = examine(&app).await;
    for check in ["stripe", "key", "portal", "clock", "mode", "database"] {
        is_well(&findings, check);
    }
    // It is proven by asking, and asking makes nothing.
    let calls = app.stripe_calls().await;
    for path in ["refunds", "charges", "payouts", "customers"] {
        assert!(calls.contains(&format!("/v1/{path}")), "{calls:?}");
    }
    let log = app.control("GET", "requests", Value::Null).await;
    for path in ["refunds", "charges", "payouts"] {
        let asked = log["requests"].as_array().unwrap().iter();
        let mut asked = asked.filter(|call| call["path"] == format!("/v1/{path}"));
        assert_eq!(asked.next().unwrap()["status"], 403);
    }
    assert_eq!(app.dump().await, before, "it changes nothing");

    // Without one permission after the other.
    for missing in narrow() {
        let others: Vec<_> = narrow()
            .into_iter()
            .filter(|name| *name != missing)
            .collect();
        restrict(&app, &others).await;
        let said = trouble(&examine(&app).await, "key");
        if missing == PORTAL {
            assert!(
                said.starts_with("Failure") && said.contains("portals"),
                "{said}"
            );
        } else {
            assert!(
                said.starts_with("Warning") && said.contains(&format!("rak_{missing}")),
                "{said}"
            );
        }
    }
    // With one too many.
    for (surplus, name) in [
        ("refund_read", "Refunds"),
        ("charge_write", "Charges"),
        ("payout_read", "Payouts"),
    ] {
        restrict(&app, &and(surplus)).await;
        let said = trouble(&examine(&app).await, "key");
        assert!(said.starts_with("Failure") && said.contains(name), "{said}");
    }
    // A secret key may everything, and Stripe may not know a key at all.
    let mut secret = settings(&app);
    secret.insert("STRIPE_API_KEY".to_owned(), "sk_test_canary".to_owned());
    let findings = doctor::examine(&secret, &Clock::default()).await;
    let said = trouble(&findings, "key");
    assert!(
        said.starts_with("Warning") && said.contains("sk_"),
        "{said}"
    );
    app.control("POST", "faults", json!({ "path": "/v1", "status": 401 }))
        .await;
    let findings = examine(&app).await;
    let said = trouble(&findings, "stripe");
    assert!(said.contains("does not know STRIPE_API_KEY"), "{said}");
    is_well(&findings, "clock");
    assert!(!format!("{findings:?}").contains("canary"));
}

async fn checklist_40_key_endpoint_and_database_are_of_one_mode(engine: Engine) {
    let app = spawn_app(engine).await;
    restrict(&app, &with_endpoints()).await;
    let made = endpoint(&app, &[]).await;
    let findings = examine(&app).await;
    is_well(&findings, "mode");
    is_well(&findings, "endpoint");
    let mut live = made.clone();
    live["livemode"] = json!(true);
    let list = json!({ "object": "list", "data": [live], "has_more": false });
    let fault = json!({ "path": "/v1/webhook_endpoints", "status": 200, "body": list.to_string() });
    app.control("POST", "faults", fault).await;
    let said = trouble(&examine(&app).await, "mode");
    assert!(
        said.starts_with("Failure") && said.contains("webhook endpoint is of live mode"),
        "{said}"
    );

    // A key of the other world neither serves nor imports, and says why.
    let mut other = settings(&app);
    other.insert("STRIPE_API_KEY".to_owned(), "rk_live_canary".to_owned());
    other.insert("BIND".to_owned(), "127.0.0.1:0".to_owned());
    for command in ["sweep", "import"] {
        let output = run_with(&other, &[command]).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {errors}");
        assert!(
            errors.contains("holds data of test mode") && errors.contains("of live mode"),
            "{command}: {errors}"
        );
        assert!(!errors.contains("canary"));
    }
    let start = async |settings: &HashMap<String, String>| {
        let config = config::read(settings).unwrap();
        serve::serve(config, CancellationToken::new()).await
    };
    let refused = tokio::time::timeout(Duration::from_secs(10), start(&other)).await;
    let says = refused.expect("it does not serve").unwrap_err().to_string();
    assert!(says.contains("holds data of test mode"), "{says}");
    // And the other way round, in a database of its own.
    let store = &app.app.store;
    let write = store.write(|tx| progress::set(tx, "livemode", "live", 1).boxed());
    write.await.unwrap();
    let said = trouble(&examine(&app).await, "mode");
    assert!(
        said.contains("the database and the webhook endpoint are of live mode"),
        "{said}"
    );
    let output = run_with(&settings(&app), &["sweep"]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds data of live mode"));
}

async fn checklist_70_the_doctor_names_an_endpoint_that_is_wrong(engine: Engine) {
    let app = spawn_app(engine).await;
    restrict(&app, &narrow()).await;
    let said = trouble(&examine(&app).await, "endpoint");
    assert!(
        said.starts_with("Skipped") && said.contains("may not read"),
        "{said}"
    );
    restrict(&app, &with_endpoints()).await;
    let said = trouble(&examine(&app).await, "endpoint");
    assert!(
        said.starts_with("Failure: No webhook endpoint leads to"),
        "{said}"
    );

    for (change, state, word) in [
        (("api_version", "2020-08-27"), "Warning", "2020-08-27"),
        (("api_version", ""), "Warning", "account's"),
        (
            ("enabled_events[]", "customer.updated"),
            "Failure",
            "checkout.session.completed, coupon.created",
        ),
        (("disabled", "true"), "Failure", "turned off"),
    ] {
        let made = match change {
            ("disabled", _) => endpoint(&app, &[]).await,
            change => endpoint(&app, &[change]).await,
        };
        let one = format!(
            "{}/v1/webhook_endpoints/{}",
            app.stripe_url,
            made["id"].as_str().unwrap()
        );
        if change.0 == "disabled" {
            let turn_off = app.http.post(&one).bearer_auth("sk_test_billhook");
            let off = turn_off.form(&[change]).send().await.unwrap();
            assert_eq!(off.status(), 200);
        }
        let said = trouble(&examine(&app).await, "endpoint");
        assert!(said.starts_with(state) && said.contains(word), "{said}");
        let delete = app.http.delete(&one).bearer_auth("sk_test_billhook");
        assert_eq!(delete.send().await.unwrap().status(), 200);
    }
    endpoint(&app, &[("enabled_events[]", "*")]).await;
    is_well(&examine(&app).await, "endpoint");
}

async fn checklist_70_the_doctor_looks_at_the_database_as_it_is(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut settings = settings(&app);
    // One that is new is neither made nor filled.
    let new = database_url(engine).await;
    settings.insert("DATABASE_URL".to_owned(), new.clone());
    let findings = doctor::examine(&settings, &Clock::default()).await;
    is_well(&findings, "database");
    let says = |findings: &[Finding]| {
        let of_database = findings.iter().find(|finding| finding.check == "database");
        of_database.unwrap().says.clone()
    };
    assert!(
        says(&findings).contains("`billhook serve` makes"),
        "{findings:?}"
    );
    if let Some(file) = new.strip_prefix("sqlite://") {
        assert!(!std::path::Path::new(file).exists(), "it was made");
        let nowhere = format!("sqlite://{file}-is-a-file/billhook.db");
        std::fs::write(format!("{file}-is-a-file"), "").unwrap();
        settings.insert("DATABASE_URL".to_owned(), nowhere);
        let findings = doctor::examine(&settings, &Clock::default()).await;
        assert!(trouble(&findings, "database").contains("cannot be made"));
        let noise = file.replace("billhook.db", "noise.db");
        std::fs::write(&noise, "this is no database".repeat(200)).unwrap();
        settings.insert("DATABASE_URL".to_owned(), format!("sqlite://{noise}"));
        let findings = doctor::examine(&settings, &Clock::default()).await;
        assert!(trouble(&findings, "database").starts_with("Failure"));
        let unchanged = std::fs::read_to_string(&noise).unwrap();
        assert!(unchanged.starts_with("this is no database"));
    } else {
        let nobody = "postgres://ada:canary@127.0.0.1:1/nothing".to_owned();
        settings.insert("DATABASE_URL".to_owned(), nobody);
        let findings = doctor::examine(&settings, &Clock::default()).await;
        assert!(trouble(&findings, "database").starts_with("Failure"));
        assert!(!format!("{findings:?}").contains("canary"));
    }
}

async fn checklist_70_a_clock_that_is_off_is_named(engine: Engine) {
    let app = spawn_app(engine).await;
    restrict(&app, &narrow()).await;
    for (seconds, word) in [(75, "ahead of"), (-75, "behind")] {
        let clock = Clock::default();
        clock.advance(seconds);
        let findings = doctor::examine(&settings(&app), &clock).await;
        let said = trouble(&findings, "clock");
        assert!(said.starts_with("Failure") && said.contains(word), "{said}");
    }
    let clock = Clock::default();
    clock.advance(40);
    is_well(&doctor::examine(&settings(&app), &clock).await, "clock");
    // Nobody there says what time it is.
    let mut alone = settings(&app);
    alone.insert(
        "STRIPE_API_BASE".to_owned(),
        "http://127.0.0.1:1".to_owned(),
    );
    let findings = doctor::examine(&alone, &Clock::default()).await;
    assert!(trouble(&findings, "clock").starts_with("Skipped"));
    assert!(trouble(&findings, "stripe").contains("cannot be reached"));
}

/// Each of the ways in which a mail server can be of no use, and one that is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_70_the_doctor_tries_the_mail_server() {
    let plain = mail_server::start(&[]).await;
    let strict = mail_server::start(&["AUTH PLAIN"]).await;
    let broken = mail_server::start(&["STARTTLS"]).await;
    for (url, wants) in [
        (format!("smtp://{plain}"), None),
        (format!("smtp://ada:right@{strict}"), None),
        (
            format!("smtp://ada:wrong-canary@{strict}"),
            Some("refused, with 535"),
        ),
        (format!("smtp://ada:right@{plain}"), Some("sign in")),
        (format!("smtp://{plain}?tls=required"), Some("no STARTTLS")),
        (
            format!("smtp://{broken}?tls=required"),
            Some("TLS with the mail server failed"),
        ),
        ("smtp://127.0.0.1:1".to_owned(), Some("cannot be reached")),
    ] {
        let settings = HashMap::from([("SMTP_URL".to_owned(), url.clone())]);
        let findings = doctor::examine(&settings, &Clock::default()).await;
        match wants {
            None => is_well(&findings, "mail"),
            Some(words) => {
                let said = trouble(&findings, "mail");
                assert!(
                    said.starts_with("Failure") && said.contains(words),
                    "{url}: {said}"
                );
            }
        }
        assert!(!format!("{findings:?}").contains("canary"), "{findings:?}");
    }
}

/// The program itself, with settings that keep the server from starting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_70_the_doctor_runs_with_broken_settings_and_prints_no_secret() {
    let broken = [
        ("FRONTEND_URL", "http://billing.example.com/canary"),
        ("STRIPE_API_KEY", "canary"),
        ("SESSION_SECRET", "canary"),
        ("SMTP_URL", "smtp://ada:canary@mail.example.com"),
        ("DATABASE_URL", "sqlite:///proc/canary/x.db"),
    ];
    let broken = broken
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let output = run_with(&broken, &["doctor", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("canary"), "{text}");
    assert!(output.stderr.is_empty(), "a program reads what it prints");
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap();
    for name in [
        "FRONTEND_URL",
        "STRIPE_API_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "SESSION_SECRET",
        "SMTP_URL",
        "MAIL_FROM",
    ] {
        let failure = findings.iter().find(|finding| {
            finding["state"] == "failure" && finding["says"].as_str().unwrap().starts_with(name)
        });
        let failure = failure.unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(failure["do"].as_str().unwrap().len() > 20, "{failure}");
    }
    for check in [
        "settings", "database", "mail", "stripe", "key", "portal", "endpoint",
    ] {
        assert!(
            findings.iter().any(|finding| finding["check"] == check),
            "{check}: {text}"
        );
    }
    // For people: words in columns, without colours where no terminal is.
    let output = run_with(&broken, &["doctor"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.contains('\u{1b}') && !text.contains("canary"),
        "{text}"
    );
    assert!(
        text.contains("  FAILED   settings  ") && text.contains("-> "),
        "{text}"
    );
    assert!(
        text.trim_end()
            .ends_with("run `billhook doctor` again after that."),
        "{text}"
    );
}

/// `PORTAL_CONFIGURATION`: that it exists in this mode of this account.
async fn a_chosen_portal_configuration_is_looked_for(engine: Engine) {
    let app = spawn_app(engine).await;
    restrict(&app, &narrow()).await;
    let there = default_configuration(&app).await;
    let examine = async |id: &str| {
        let mut with = settings(&app);
        with.insert("PORTAL_CONFIGURATION".to_owned(), id.to_owned());
        doctor::examine(&with, &Clock::default()).await
    };
    is_well(&examine(&there).await, "portal");
    let said = trouble(&examine("bpc_none").await, "portal");
    assert!(
        said.starts_with("Failure") && said.contains("bpc_none"),
        "{said}"
    );
    let refusal = "Having the 'rak_billing_portal_configuration_read' permission would allow this.";
    let refusal = json!({ "error": { "message": refusal } });
    let inactive =
        json!({ "id": there, "object": "billing_portal.configuration", "active": false });
    for (status, body, state, word) in [
        (200, inactive, "Failure", "not active"),
        (403, refusal, "Skipped", "may not read"),
        (500, json!({}), "Warning", "could not be looked at"),
    ] {
        let path = format!("/v1/billing_portal/configurations/{there}");
        let fault = json!({ "path": path, "status": status, "body": body.to_string() });
        app.control("POST", "faults", fault).await;
        let said = trouble(&examine(&there).await, "portal");
        assert!(said.starts_with(state) && said.contains(word), "{said}");
        assert!(said.contains(&there), "{said}");
        app.control("DELETE", "faults", Value::Null).await;
    }
}

async fn default_configuration(app: &TestApp) -> String {
    let list = app
        .http
        .get(format!(
            "{}/v1/billing_portal/configurations",
            app.stripe_url
        ))
        .bearer_auth("sk_test_billhook");
    let list: Value = list.send().await.unwrap().json().await.unwrap();
    list["data"][0]["id"].as_str().unwrap().to_owned()
}
