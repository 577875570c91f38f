//! The operator's commands, as the real program, beside a server on the same database.

use std::{collections::HashMap, process::Output};

use billhook::{clock::Clock, config::Config, domain::purge};
use serde_json::{Value, json};

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{SECRET, TestApp, customer_object, event, eventually, spawn_app},
};

on_both_engines!(
    events_are_listed_shown_and_replayed,
    an_import_and_a_sweep_say_what_they_did,
    an_import_names_what_it_could_not_read,
    checklist_67_old_payloads_are_purged_and_ids_stay,
    checklist_67_payloads_are_masked_unless_they_are_revealed,
    checklist_68_sign_ins_and_sessions_are_purged_when_their_time_is_over,
);

/// The settings of the test's server.
pub fn environment(app: &TestApp) -> HashMap<String, String> {
    let Config {
        database_url,
        stripe_api_base,
        ..
    } = &*app.app.config;
    [
        ("FRONTEND_URL", "http://127.0.0.1:3000"),
        ("DATABASE_URL", database_url.expose()),
        ("STRIPE_API_KEY", "sk_test_billhook"),
        ("STRIPE_API_BASE", stripe_api_base.as_str()),
        ("STRIPE_WEBHOOK_SECRET", SECRET),
        ("SESSION_SECRET", "a test secret of more than 32 bytes"),
        ("SMTP_URL", "smtp://127.0.0.1:1"),
        ("MAIL_FROM", "billing@example.com"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Runs a command with the settings of the test's server.
pub async fn billhook(app: &TestApp, arguments: &[&str]) -> Output {
    run_with(&environment(app), arguments).await
}

/// Runs a command with these settings alone.
pub async fn run_with(settings: &HashMap<String, String>, arguments: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_billhook"));
    command
        .args(arguments)
        .env_clear()
        .envs(settings)
        .current_dir(std::env::temp_dir());
    let output = tokio::task::spawn_blocking(move || command.output());
    output.await.unwrap().unwrap()
}

/// What it printed, when it went well.
pub async fn said(app: &TestApp, arguments: &[&str]) -> String {
    let output = billhook(app, arguments).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}{errors}");
    text
}

/// One object for each line that it printed.
async fn objects(app: &TestApp, arguments: &[&str]) -> Vec<Value> {
    let text = said(app, arguments).await;
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn events_are_listed_shown_and_replayed(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer("ada@example.com", "Ada").await;
    // A key that may not read a subscription is told so once; one that gets nonsense fails.
    let fault = json!({ "path": "/v1/subscriptions", "status": 400 });
    app.control("POST", "faults", fault).await;
    let cut = json!({
        "id": "sub_1", "object": "subscription", "customer": mine, "status": "active",
        "items": { "data": [], "has_more": true },
    });
    let evil = "customer.subscription.updated";
    let poison = event(evil, 1_700_000_000, cut, Value::Null);
    let id = poison["id"].as_str().unwrap();
    assert_eq!(app.deliver(&poison).await.status(), 200);
    let noise = event("\u{1b}[2J\nnoise", 1, json!({ "id": "x" }), Value::Null);
    assert_eq!(app.deliver(&noise).await.status(), 200);
    eventually(|| async {
        let failed = objects(&app, &["events", "list", "--state", "failed", "--json"]).await;
        (failed.len() == 1).then_some(())
    })
    .await;

    let list = said(&app, &["events", "list"]).await;
    assert!(
        list.contains(id) && list.contains("400") && list.contains("1 failed"),
        "{list}"
    );
    assert!(
        !list.contains('\u{1b}') && list.contains("·[2J·noise"),
        "{list}"
    );
    let of_mine = objects(&app, &["events", "list", "--customer", &mine, "--json"]).await;
    assert_eq!(of_mine.len(), 2);
    let typed = objects(
        &app,
        &[
            "events",
            "list",
            "--type",
            "customer.subscription.*",
            "--json",
        ],
    );
    assert_eq!(typed.await[0]["id"], *id);
    let recent = objects(
        &app,
        &["events", "list", "--since", "1h", "--limit", "1", "--json"],
    );
    assert_eq!(recent.await.len(), 1);
    let shown: Value = serde_json::from_str(&said(&app, &["events", "show", id]).await).unwrap();
    assert_eq!(shown["payload"]["data"], poison["data"]);

    let dry = said(&app, &["events", "replay", "--failed"]).await;
    assert!(
        dry.contains("1 would be applied again. Do it with --yes."),
        "{dry}"
    );
    assert_eq!(
        objects(&app, &["events", "replay", id, "--json"]).await[0]["state"],
        "failed"
    );
    // The cause is put right; once more is as good as once.
    app.control("DELETE", "faults", Value::Null).await;
    let whole = json!({
        "id": "sub_1", "object": "subscription", "customer": mine, "status": "active",
        "items": { "data": [], "has_more": false },
    });
    let fault = json!({ "path": "/v1/subscriptions", "status": 200, "body": whole.to_string() });
    app.control("POST", "faults", fault).await;
    for _ in 0..2 {
        let done = objects(&app, &["events", "replay", id, "--yes", "--json"]).await;
        // The server may have it in hand just then, since both look for what is due.
        let state = done[0]["state"].as_str().unwrap();
        assert!(["applied", "pending"].contains(&state), "{done:?}");
        eventually(|| async {
            let shown = said(&app, &["events", "show", id]).await;
            let shown: Value = serde_json::from_str(&shown).unwrap();
            (shown["state"] == "applied").then_some(())
        })
        .await;
    }
    assert_eq!(
        said(&app, &["events", "replay", "--failed"]).await,
        "nothing to replay\n"
    );

    for wrong in [
        vec!["events", "show", "evt_none"],
        vec!["events", "replay", "evt_none", "--yes"],
        vec!["events", "replay"],
        vec!["events", "list", "--since", "yesterday"],
        vec!["events", "list", "--state", "gone"],
    ] {
        let output = billhook(&app, &wrong).await;
        assert!(!output.status.success(), "{wrong:?}");
        assert!(
            !output.stderr.is_empty() && output.stdout.is_empty(),
            "{wrong:?}"
        );
    }
}

async fn an_import_and_a_sweep_say_what_they_did(engine: Engine) {
    let app = spawn_app(engine).await;
    app.control("POST", "customers", json!({ "count": 250 }))
        .await;
    let lines = said(&app, &["import", "--only", "customers", "--rate", "200"]).await;
    assert!(lines.ends_with("read 250 customers\n"), "{lines}");
    let again = objects(
        &app,
        &[
            "import",
            "--only",
            "customers,products",
            "--rate",
            "200",
            "--json",
        ],
    );
    let again = again.await;
    assert_eq!(again[0]["read"]["customers"], 250);
    assert_eq!(
        (&again[0]["errors"], &again[0]["stopped"]),
        (&json!([]), &json!(false))
    );
    let swept = objects(&app, &["sweep", "--json"]).await;
    assert_eq!(
        (&swept[0]["ids"], &swept[0]["gap_seconds"]),
        (&json!([]), &json!(0))
    );
    let wrong = billhook(&app, &["import", "--only", "refunds"]).await;
    assert!(!wrong.status.success());
    assert!(
        String::from_utf8_lossy(&wrong.stderr).contains("products, prices, coupons, customers")
    );
}

async fn an_import_names_what_it_could_not_read(engine: Engine) {
    let app = spawn_app(engine).await;
    app.control("POST", "customers", json!({ "count": 3 }))
        .await;
    let fault = json!({
        "path": "/v1/products", "status": 403,
        "body": r#"{"error":{"type":"invalid_request_error","message":"This key lacks rak_product_read."}}"#,
    });
    app.control("POST", "faults", fault).await;
    let output = billhook(
        &app,
        &["import", "--only", "products,customers", "--rate", "200"],
    )
    .await;
    assert_eq!(output.status.code(), Some(1));
    let (said, errors) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    assert!(
        errors.contains("products: Stripe answered 403") && errors.contains("rak_product_read"),
        "{errors}"
    );
    // The others are read all the same.
    assert!(
        String::from_utf8(said)
            .unwrap()
            .contains("read 3 customers")
    );
}

async fn checklist_67_old_payloads_are_purged_and_ids_stay(engine: Engine) {
    let app = spawn_app(engine).await;
    app.clock.advance(-40 * 24 * 60 * 60);
    let object = customer_object("cus_1", "ada@example.com", "Ada");
    let old = event("customer.created", 1_600_000_000, object, Value::Null);
    let signed_at = app.clock.now();
    let body = old.to_string();
    let signature = crate::helpers::sign(SECRET, signed_at, body.as_bytes());
    let answer = app.post_webhook(&signature, body.into_bytes()).await;
    assert_eq!(answer.status(), 200);
    app.clock.advance(Clock::default().now() - app.clock.now());
    app.customer("bob@example.com", "Bob").await;
    // Unless the server was first, which does the same at its start.
    let purged = said(&app, &["purge", "--yes"]).await;
    assert!(
        purged.ends_with(" 0 sign-ins and 0 sessions deleted\n"),
        "{purged}"
    );
    assert_eq!(
        objects(&app, &["purge", "--yes", "--json"]).await[0]["payloads_deleted"],
        0
    );
    let shown = said(&app, &["events", "show", old["id"].as_str().unwrap()]).await;
    assert!(
        shown.contains("\"payload\": null") && !shown.contains("ada@example.com"),
        "{shown}"
    );
    assert_eq!(app.deliver(&old).await.text().await.unwrap(), "duplicate\n");
    let output = said(
        &app,
        &["events", "replay", old["id"].as_str().unwrap(), "--yes"],
    )
    .await;
    assert!(output.contains("1 cannot be replayed"), "{output}");
}

async fn checklist_67_payloads_are_masked_unless_they_are_revealed(engine: Engine) {
    let app = spawn_app(engine).await;
    let evil = "\u{1b}[2J\u{9b}31m\r\u{202e}<script>";
    let mut object = customer_object("cus_1", "ada@example.com", evil);
    object["metadata"] = json!({ evil: "canary" });
    object["address"] = json!({ "line1": "12 Canary Row" });
    object["cards"] =
        json!([{ "last4": "canary", "receipt_url": "https://pay.stripe.com/canary" }]);
    let of_ada = event("customer.created", 1_700_000_000, object, Value::Null);
    assert_eq!(app.deliver(&of_ada).await.status(), 200);
    let id = of_ada["id"].as_str().unwrap();
    let show = async |more: &[&str]| {
        let shown = said(&app, &[&["events", "show", id], more].concat()).await;
        let is_odd = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        assert!(!shown.contains(is_odd), "{shown:?}");
        shown
    };
    for more in [&[] as &[&str], &["--json"]] {
        let shown = show(more).await;
        for text in ["ada@example.com", "anary", "<script>\",", "12 "] {
            assert!(!shown.contains(text), "{text}: {shown}");
        }
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let payload = &shown["payload"];
        assert_eq!(
            (&payload["id"], &payload["created"]),
            (&of_ada["id"], &of_ada["created"])
        );
        let object = &payload["data"]["object"];
        assert_eq!(
            (&object["id"], &object["email"]),
            (&json!("cus_1"), &json!("…"))
        );
        assert_eq!(object["metadata"], json!({ evil: "…" }));
    }
    let operator = ["audit", "list", "--what", "operator", "--json"];
    assert_eq!(said(&app, &operator).await, "");
    for more in [&["--reveal"] as &[&str], &["--reveal", "--json"]] {
        let shown: Value = serde_json::from_str(&show(more).await).unwrap();
        assert_eq!(shown["payload"], of_ada);
    }
    let log = said(&app, &operator).await;
    assert_eq!(log.matches(&format!("reveal of {id}")).count(), 2, "{log}");
    let none = billhook(&app, &["events", "show", "evt_none", "--reveal"]).await;
    assert!(!none.status.success());
    assert_eq!(said(&app, &operator).await, log);
}

async fn checklist_68_sign_ins_and_sessions_are_purged_when_their_time_is_over(engine: Engine) {
    let app = spawn_app(engine).await;
    let (hour, day) = (60 * 60, 24 * 60 * 60);
    let mut browser = app.signed_in("ada@example.com").await;
    browser.post("/api/sign_out", &[]).await;
    // Nobody signs this one out.
    app.signed_in("bob@example.com").await;
    let left = || async {
        let purged = purge::purge(&app.app).await.unwrap();
        let mut left = Vec::new();
        for table in ["sign_in", "outbox", "session"] {
            let rows = crate::contract::dump(&app.app.store, table).await;
            left.push(rows.lines().count());
        }
        (left, purged.sign_ins, purged.sessions)
    };
    assert_eq!(left().await, (vec![2, 2, 2], 0, 0));
    app.clock.advance(23 * hour);
    assert_eq!(left().await, (vec![2, 2, 2], 0, 0), "not a day yet");
    app.clock.advance(2 * hour);
    assert_eq!(left().await, (vec![0, 0, 2], 2, 0));
    app.clock.advance(28 * day);
    assert_eq!(left().await, (vec![0, 0, 2], 0, 0), "not 30 days yet");
    app.clock.advance(day);
    assert_eq!(left().await, (vec![0, 0, 1], 0, 1), "the one that ended");
    app.clock.advance(day);
    assert_eq!(left().await, (vec![0, 0, 0], 0, 1), "and that ran out");
    let log = crate::contract::dump(&app.app.store, "audit").await;
    assert_eq!(log.lines().count(), 5, "the audit log stays: {log}");
}
