//! `billhook doctor`: what it says of each thing that it finds wrong, and of what it could not try.

use std::{collections::HashMap, os::unix::fs::PermissionsExt, process::Command};

use billhook::{
    clock::Clock,
    operator::doctor::{self, Finding, State},
    store::Store,
};
use serde_json::json;

use crate::{
    doctor::{
        endpoint, examine, is_well, narrow, restrict, settings, trouble, troubles, with_endpoints,
    },
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, spawn_app},
    imports::execute,
};

on_both_engines!(
    checklist_70_what_stripe_did_not_answer_is_not_called_well,
    checklist_70_a_portal_without_settings_is_named,
    checklist_70_a_database_that_is_no_good_is_named,
    checklist_70_settings_that_are_unsafe_are_named,
);

async fn with_fault(app: &TestApp, fault: serde_json::Value) -> Vec<Finding> {
    app.control("POST", "faults", fault).await;
    let findings = examine(app).await;
    app.control("DELETE", "faults", json!(null)).await;
    findings
}

/// What is done about the only trouble of that check.
fn advice(findings: &[Finding], check: &str) -> String {
    let mut of_check = findings
        .iter()
        .filter(|finding| finding.check == check && finding.state != State::Ok);
    of_check.next().unwrap().advice.clone().unwrap()
}

async fn checklist_70_what_stripe_did_not_answer_is_not_called_well(engine: Engine) {
    let app = spawn_app(engine).await;
    restrict(&app, &with_endpoints()).await;
    endpoint(&app, &[]).await;
    for check in ["stripe", "key", "portal", "endpoint"] {
        is_well(&examine(&app).await, check);
    }
    for (path, status, check, words) in [
        (
            "products",
            500,
            "key",
            "Whether it may read Products could not be tried: Stripe answered 500",
        ),
        (
            "subscriptions",
            429,
            "key",
            "Whether it may read Subscriptions could not be tried: Stripe answered 429",
        ),
        (
            "charges",
            502,
            "key",
            "Whether it may see refunds, charges and payouts could not be tried",
        ),
        (
            "billing_portal/sessions",
            503,
            "key",
            "Whether it may open customer portals could not be tried: Stripe answered 503",
        ),
        (
            "billing_portal/configurations",
            500,
            "portal",
            "could not be looked at: Stripe answered 500",
        ),
        (
            "webhook_endpoints",
            500,
            "endpoint",
            "It could not be looked at: Stripe answered 500",
        ),
    ] {
        let fault = json!({ "path": format!("/v1/{path}"), "status": status });
        let findings = with_fault(&app, fault).await;
        let said = trouble(&findings, check);
        assert!(
            said.starts_with("Warning") && said.contains(words),
            "{said}"
        );
        assert!(advice(&findings, check).contains("again"));
        let praise = findings.iter().any(|finding| {
            finding.state == State::Ok && finding.says.contains("may read what is imported")
        });
        let reads = ["products", "subscriptions"].contains(&path);
        assert_eq!(praise, !reads, "{findings:#?}");
    }
    // No answer at all: what would be asked after that is not waited for.
    app.control("DELETE", "requests", json!(null)).await;
    let fault = json!({ "path": "/v1/invoices", "reset": true });
    let findings = with_fault(&app, fault).await;
    let of_key = troubles(&findings, "key").join("\n");
    assert!(
        of_key.contains("Warning: Whether it may read Invoices, PaymentIntents, Payment Methods")
            && of_key.contains("Stripe answered nothing")
            && of_key.contains("Warning: Whether it may open customer portals"),
        "{of_key}"
    );
    for check in ["portal", "endpoint"] {
        assert!(trouble(&findings, check).starts_with("Warning"));
    }
    let calls = app.stripe_calls().await;
    assert_eq!(calls.last().unwrap(), "/v1/invoices", "{calls:?}");
    // Where the first question is of no use, the others would be too.
    let fault = json!({ "path": "/v1/customers", "status": 500 });
    let findings = with_fault(&app, fault).await;
    assert!(trouble(&findings, "stripe").starts_with("Failure: It answers 500"));
    for check in ["key", "portal", "mode", "endpoint"] {
        assert!(trouble(&findings, check).starts_with("Skipped"), "{check}");
    }
}

async fn checklist_70_a_portal_without_settings_is_named(engine: Engine) {
    let app = spawn_app(engine).await;
    restrict(&app, &narrow()).await;
    app.control("POST", "portal", json!({ "saved": false }))
        .await;
    let findings = examine(&app).await;
    assert_eq!(
        trouble(&findings, "portal"),
        "Failure: Its settings have never been saved, so Stripe opens no portal."
    );
    let what_to_do = advice(&findings, "portal");
    assert!(
        what_to_do.contains("https://dashboard.stripe.com/test/settings/billing/portal"),
        "{what_to_do}"
    );
    is_well(&findings, "key");
    // As the stand-in, so Stripe: who clicks is refused for the same reason.
    let customer = app.customer_at_stripe("ada@example.com").await;
    let url = format!("{}/v1/billing_portal/sessions", app.stripe_url);
    let click = app.http.post(url).bearer_auth("sk_test_billhook");
    let refused = click.form(&[("customer", customer)]).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let words = refused.text().await.unwrap();
    assert!(
        words.contains("default configuration has not been created"),
        "{words}"
    );

    // Should Stripe say so at once, that counts, even where the settings cannot be seen.
    app.control("POST", "portal", json!({ "saved": true }))
        .await;
    is_well(&examine(&app).await, "portal");
    let unseen = json!({ "path": "/v1/billing_portal/configurations", "status": 403 });
    let findings = with_fault(&app, unseen.clone()).await;
    let said = trouble(&findings, "portal");
    assert!(
        said.starts_with("Skipped") && said.contains("may not read"),
        "{said}"
    );
    let fault = json!({ "path": "/v1/billing_portal/sessions", "status": 400, "body": words });
    app.control("POST", "faults", unseen).await;
    let findings = with_fault(&app, fault).await;
    assert!(trouble(&findings, "portal").starts_with("Failure"));
}

async fn checklist_70_a_database_that_is_no_good_is_named(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut settings = settings(&app);
    let url = database_url(engine).await;
    let store = Store::connect(&url).await.unwrap();
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'newer', true, '', 0)";
    let joint = if url.contains('?') { '&' } else { '?' };
    let unwritable = match engine {
        Engine::Sqlite => "mode=ro",
        Engine::Postgres => "options[default_transaction_read_only]=on",
    };
    let mut found = async |url: String| {
        settings.insert("DATABASE_URL".to_owned(), url);
        let findings = doctor::examine(&settings, &Clock::default()).await;
        trouble(&findings, "database")
    };
    let said = found(format!("{url}{joint}{unwritable}")).await;
    assert!(
        said.starts_with("Failure: It can be read and not written"),
        "{said}"
    );
    execute(&store, newer.to_owned()).await;
    let said = found(url.clone()).await;
    assert!(
        said.starts_with("Failure: A newer Billhook has changed the tables"),
        "{said}"
    );
    store.close().await;
    let Some(file) = url.strip_prefix("sqlite://") else {
        return;
    };
    // A page of some table in the middle of the file.
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(file, bytes).unwrap();
    let said = found(url.clone()).await;
    assert_eq!(said, "Failure: The file is damaged, SQLite says.");
}

async fn checklist_70_settings_that_are_unsafe_are_named(engine: Engine) {
    let app = spawn_app(engine).await;
    let findings = examine(&app).await;
    let said = troubles(&findings, "settings").join("\n");
    assert!(
        said.contains("Warning: FRONTEND_URL is an address of this machine alone")
            && said.contains("Warning: STRIPE_API_BASE is not Stripe"),
        "{said}"
    );
    // The program itself, where it finds its settings in a file that everybody may read.
    let folder = std::env::temp_dir().join(billhook::clock::new_id("env"));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(".env");
    let lines = settings(&app)
        .into_iter()
        .map(|(name, value)| format!("{name}=\"{value}\"\n"));
    std::fs::write(&file, lines.collect::<String>()).unwrap();
    for (mode, is_open) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_billhook"))
            .args(["doctor", "--json"])
            .env_clear()
            .current_dir(&folder)
            .output();
        let findings: Vec<HashMap<String, serde_json::Value>> =
            serde_json::from_slice(&output.unwrap().stdout).unwrap();
        let named = findings.iter().any(|finding| {
            finding["check"] == "settings"
                && finding["state"] == "warning"
                && finding["says"].as_str().unwrap().contains(".env")
                && finding["do"].as_str().unwrap().contains("chmod 600")
        });
        assert_eq!(named, is_open, "{findings:?}");
    }
}
