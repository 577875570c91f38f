//! The audit log: what is in it, and that nobody changes it.

use billhook::{
    domain::audit::{self, What},
    store::Store,
};
use serde_json::Value;

use crate::{
    contract::dump,
    engines::{Engine, on_both_engines},
    helpers::{TestApp, assert_redirect, eventually, spawn_app},
    operator::said,
};

on_both_engines!(
    checklist_69_the_log_cannot_be_changed_or_deleted,
    checklist_69_what_people_did_is_in_the_log,
    checklist_69_portals_copies_and_devices_are_in_the_log,
    checklist_69_what_the_operator_did_is_in_the_log,
    checklist_69_what_strangers_can_repeat_is_written_once,
);

async fn entries(app: &TestApp, arguments: &[&str]) -> Vec<Value> {
    let command = [&["audit", "list", "--json"], arguments].concat();
    let lines = said(app, &command).await;
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn checklist_69_the_log_cannot_be_changed_or_deleted(engine: Engine) {
    let app = spawn_app(engine).await;
    let entry = audit::entry(&app.app.keys, 7, What::Asked, "ada@example.com");
    audit::write(&app.app, entry.once_for("one")).await.unwrap();
    let before = dump(&app.app.store, "audit").await;
    assert!(before.contains("a…a@example.com"), "{before}");
    let (changes, refusals): (&[&'static str], &[&str]) = match engine {
        Engine::Sqlite => (
            &[
                "UPDATE audit SET what = 'nothing'",
                "DELETE FROM audit",
                "REPLACE INTO audit (number, at, what) VALUES (1, 8, 'nothing')",
                "INSERT INTO audit (number, at, what) VALUES (1, 8, 'nothing')
                 ON CONFLICT DO UPDATE SET what = 'nothing'",
                "INSERT INTO audit (number, at, what) VALUES (-1, 8, 'nothing')",
            ],
            &["append-only", "CHECK constraint"],
        ),
        Engine::Postgres => (
            &[
                "UPDATE audit SET what = 'nothing'",
                "DELETE FROM audit",
                "TRUNCATE audit",
                "INSERT INTO audit (at, what, once) VALUES (8, 'nothing', 'asked one')
                 ON CONFLICT (once) WHERE once IS NOT NULL DO UPDATE SET what = 'nothing'",
                "INSERT INTO audit (number, at, what) VALUES (1, 8, 'nothing')",
                "SELECT 1 / (SELECT COUNT(*) FROM information_schema.role_table_grants
                             WHERE table_schema = current_schema() AND table_name = 'audit'
                             AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE'))",
            ],
            // A role that may do everything meets the trigger, every other one its rights. The last
            // counts rights: there are none.
            &[
                "append-only",
                "permission denied",
                "cannot insert a non-DEFAULT",
                "division by zero",
            ],
        ),
    };
    for change in changes {
        let refused = match &app.app.store {
            Store::Sqlite { writer, .. } => sqlx::query(*change).execute(writer).await.map(drop),
            Store::Postgres(pool) => sqlx::query(*change).execute(pool).await.map(drop),
        };
        let refused = refused.expect_err(change).to_string();
        assert!(
            refusals.iter().any(|words| refused.contains(words)),
            "{change}: {refused}"
        );
    }
    // This one is not refused, it does nothing.
    if let Store::Sqlite { writer, .. } = &app.app.store {
        let replace = "REPLACE INTO audit (at, what, once) VALUES (8, 'nothing', 'asked one')";
        sqlx::query(replace).execute(writer).await.unwrap();
    }
    assert_eq!(dump(&app.app.store, "audit").await, before);
}

async fn checklist_69_what_people_did_is_in_the_log(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut browser = app.browser();
    app.ask(&mut browser, "ada@example.com").await;
    let code = app.code("ada@example.com").await;
    let wrong = if code == "00000000" {
        "00000001"
    } else {
        "00000000"
    };
    let answer = browser.post("/api/enter_code", &[("code", wrong)]).await;
    assert_redirect(&answer, "/sign-in/check?problem=code");
    let answer = browser.post("/api/enter_code", &[("code", &code)]).await;
    assert_redirect(&answer, "/billing");
    assert_redirect(&browser.post("/api/sign_out", &[]).await, "/");
    let mut other = app.browser();
    app.ask(&mut other, "bob@example.com").await;

    let all = entries(&app, &["--who", " ADA@example.com", "--since", "1h"]).await;
    let kinds: Vec<_> = all
        .iter()
        .map(|entry| entry["what"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["signed-out", "signed-in", "code-failed", "asked"]);
    let now = app.clock.now();
    for entry in &all {
        let at = entry["at"].as_i64().unwrap();
        assert!((now - 60..=now).contains(&at), "{entry}");
        assert_eq!(entry["shown"], "a…a@example.com");
        assert_eq!(entry["who"], all[0]["who"]);
    }
    let sessions = [&all[0]["session"], &all[1]["session"]];
    assert!(sessions[0].is_string() && sessions[0] == sessions[1]);
    assert!(all[2]["detail"].is_string(), "which sign-in it was");
    assert_eq!(all[2]["detail"], all[3]["detail"]);
    for entry in &all {
        assert_eq!(entry["client"], browser.client, "{entry}");
    }
    let asked = entries(&app, &["--what", "asked"]).await;
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0]["who"], asked[1]["who"]);
    assert_eq!(entries(&app, &["--limit", "1"]).await.len(), 1);

    let log = dump(&app.app.store, "audit").await;
    for secret in [code.as_str(), wrong, "ada@example.com", "bob@example.com"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    let shown = said(&app, &["audit", "list", "--what", "signed-out"]).await;
    assert!(shown.contains("Z  signed-out  a…a@example.com"), "{shown}");
    let none = said(&app, &["audit", "list", "--what", "reuse"]).await;
    assert_eq!(none, "no such entries\n");
}

async fn checklist_69_portals_copies_and_devices_are_in_the_log(engine: Engine) {
    let app = spawn_app(engine).await;
    let mine = app.customer_at_stripe("ada@example.com").await;
    let foreign = app.customer("bob@example.com", "Bob").await;
    let mut again = app.signed_in("ada@example.com").await;
    let mut ada = app.signed_in("ada@example.com").await;
    for (customer, status) in [(&foreign, 404), (&foreign, 404), (&mine, 303)] {
        let form = [("customer", customer.as_str()), ("flow", "home")];
        assert_eq!(ada.post("/api/open_portal", &form).await.status(), status);
    }
    let mut thief = app.browser();
    thief.cookies = ada.cookies.clone();
    app.clock.advance(6 * 60);
    ada.get("/billing").await;
    ada.get("/billing").await;
    app.clock.advance(60);
    assert_redirect(&thief.get("/billing").await, "/");
    let clients = [&ada.client, &thief.client, &again.client].map(String::clone);
    assert_redirect(&again.post("/api/sign_out_everywhere", &[]).await, "/");

    let of_ada = eventually(|| async {
        let all = entries(&app, &["--who", "ada@example.com"]).await;
        // Those of the portal are written beside the request.
        (all.len() == 8).then_some(all)
    })
    .await;
    let find = |what: &str| {
        let mut found = of_ada.iter().filter(|entry| entry["what"] == what);
        let entry = found.next().expect(what);
        assert!(found.next().is_none() || what == "signed-in" || what == "asked");
        entry.clone()
    };
    assert_eq!(
        find("portal-refused")["detail"],
        foreign,
        "once for a session"
    );
    assert_eq!(find("portal-opened")["detail"], mine);
    assert_eq!(find("portal-opened")["session"], find("reuse")["session"]);
    assert_eq!(find("signed-out")["detail"], "everywhere");
    let [of_ada, of_thief, of_again] = clients;
    for (what, client) in [
        ("portal-refused", &of_ada),
        ("portal-opened", &of_ada),
        ("reuse", &of_thief),
        ("signed-out", &of_again),
    ] {
        assert_eq!(find(what)["client"], *client, "{what}");
    }
}

async fn checklist_69_what_the_operator_did_is_in_the_log(engine: Engine) {
    let app = spawn_app(engine).await;
    app.customer("ada@example.com", "Ada").await;
    let events = said(&app, &["events", "list", "--json"]).await;
    let event: Value = serde_json::from_str(&events).unwrap();
    let id = event["id"].as_str().unwrap();
    said(&app, &["purge"]).await;
    said(&app, &["purge", "--yes"]).await;
    said(&app, &["events", "replay", id]).await;
    said(&app, &["events", "replay", id, "--yes"]).await;
    said(&app, &["import", "--only", "products", "--rate", "200"]).await;
    let all = entries(&app, &["--what", "operator"]).await;
    let mut details: Vec<_> = all
        .iter()
        .map(|entry| entry["detail"].as_str().unwrap())
        .collect();
    details.sort_unstable();
    let replay = format!("replay of 1: {id}");
    assert_eq!(details, ["import of products", "purge", replay.as_str()]);
}

async fn checklist_69_what_strangers_can_repeat_is_written_once(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut attacker = app.browser();
    app.ask(&mut attacker, "mallory@example.com").await;
    let token = app.link_token("mallory@example.com").await;
    let mut victim = app.browser();
    victim.get(&format!("/sign-in/link?token={token}")).await;
    for _ in 0..5 {
        victim.post("/api/confirm_link", &[]).await;
    }
    let failed = || async {
        let failed = entries(&app, &["--what", "link-failed"]).await;
        (!failed.is_empty()).then_some(failed)
    };
    let failed = eventually(failed).await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["shown"], "m…y@example.com");

    // Nobody fills the disk by asking. Another client, another address and another hour are written.
    app.clock.advance(3600 - app.clock.now() % 3600);
    for _ in 0..4 {
        let form = [("email", "mallory@example.com")];
        attacker.post("/api/ask_link", &form).await;
    }
    let form = [("email", "other@example.com")];
    attacker.post("/api/ask_link", &form).await;
    let asked = || async { entries(&app, &["--what", "asked"]).await.len() };
    assert_eq!(asked().await, 1 + 2);
    let form = [("email", "mallory@example.com")];
    app.browser().post("/api/ask_link", &form).await;
    assert_eq!(asked().await, 4);
    app.clock.advance(3600);
    attacker.post("/api/ask_link", &form).await;
    assert_eq!(asked().await, 5);
}
