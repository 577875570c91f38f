//! The import as the real program, ended from outside: killed anywhere, and told to stop while it
//! waits.

use std::{
    collections::HashMap,
    io::Read,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use billhook::store::{Store, progress};
use futures::FutureExt;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, eventually, spawn_app},
    imports::{LOCK, execute},
    operator::{environment, run_with, said},
};

on_both_engines!(
    checklist_71_killed_anywhere_an_import_ends_in_the_same_state,
    checklist_71_told_to_stop_while_it_waits_an_import_ends_within_a_second,
);

/// On each of the two engines.
const KILLS: usize = 25;
const SEED: u64 = 71;
/// Requests of a run that is killed come to at most so many.
const LONGEST_RUN: u64 = 50;
/// Requests that a kill may cost: twelve under way, and those that looked for a noun's first object. That
/// is less than a run has on the average: one that began anew each time would cost more.
const LOST_BY_A_KILL: u64 = 20;
/// What an import writes.
const TABLES: [&str; 9] = [
    "customer",
    "product",
    "price",
    "subscription",
    "subscription_item",
    "invoice",
    "payment_intent",
    "invoice_payment",
    "payment_method",
];

fn start(settings: &HashMap<String, String>, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_billhook"))
        .args(arguments)
        .env_clear()
        .envs(settings)
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// How many requests the stand-in has had.
async fn requests(app: &TestApp) -> u64 {
    let rate = app.control("GET", "rate", Value::Null).await;
    rate["served"].as_u64().unwrap()
}

async fn make(app: &TestApp, path: &str, form: &[(&str, &str)]) -> String {
    let url = format!("{}/v1/{path}", app.stripe_url);
    let post = app.http.post(url).bearer_auth("sk_test_billhook");
    let made: Value = post.form(form).send().await.unwrap().json().await.unwrap();
    let id = made["id"].as_str();
    id.unwrap_or_else(|| panic!("{made}")).to_owned()
}

/// More than a page of most nouns, and of customers very many.
async fn fill(app: &TestApp) {
    // Several of one second, so that pages end in the middle of it.
    let crowd = json!({ "count": 15_000, "per_second_of_created": 7 });
    app.control("POST", "customers", crowd).await;
    let customer = make(app, "customers", &[("email", "ada@example.com")]).await;
    for number in 0..110 {
        let product = make(app, "products", &[("name", "Berth")]).await;
        let price = [
            ("product", product.as_str()),
            ("currency", "eur"),
            ("unit_amount", "1200"),
            ("recurring[interval]", "month"),
        ];
        let price = make(app, "prices", &price).await;
        let form = [
            ("customer", customer.as_str()),
            ("items[0][price]", price.as_str()),
        ];
        // Neither needs a card.
        let how = if number % 2 == 0 {
            &[
                ("collection_method", "send_invoice"),
                ("days_until_due", "7"),
            ][..]
        } else {
            &[("trial_period_days", "7")][..]
        };
        make(app, "subscriptions", &[&form[..], how].concat()).await;
    }
}

/// Starts an import and kills it after so many requests and a moment; whether it was at work then.
async fn killed_after(
    app: &TestApp,
    settings: &HashMap<String, String>,
    run: u64,
    moment: Duration,
) -> bool {
    let end = requests(app).await + run;
    let mut child = start(settings, &["import", "--rate", "100"]);
    while requests(app).await < end && child.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    tokio::time::sleep(moment).await;
    let was_at_work = child.try_wait().unwrap().is_none();
    // An error says that it has ended by itself.
    let _ = child.kill();
    child.wait().unwrap();
    was_at_work
}

/// All that an import writes, but for when it was read.
async fn state(database_url: &str) -> Vec<String> {
    let store = Store::connect(database_url).await.unwrap();
    let mut lines = Vec::new();
    for table in TABLES {
        if table != "subscription_item" {
            execute(&store, format!("UPDATE {table} SET stripe_at = 0")).await;
        }
        let rows = crate::contract::dump(&store, table).await;
        lines.extend(rows.lines().map(|row| format!("{table} {row}")));
    }
    lines.sort();
    let left = crate::contract::dump(&store, "progress").await;
    assert!(!left.contains("import"), "{left}");
    lines
}

async fn checklist_71_killed_anywhere_an_import_ends_in_the_same_state(engine: Engine) {
    let app = spawn_app(engine).await;
    fill(&app).await;
    let (calm, killed) = (database_url(engine).await, database_url(engine).await);
    let on = |url: &str| {
        let mut settings = environment(&app);
        settings.insert("DATABASE_URL".to_owned(), url.to_owned());
        settings
    };
    let to_the_end = async |url: &str| {
        let before = requests(&app).await;
        let ended = run_with(&on(url), &["import", "--rate", "500"]).await;
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{errors}");
        let said = String::from_utf8(ended.stdout).unwrap();
        let counts = said.lines().last().unwrap().to_owned();
        (counts, requests(&app).await - before)
    };
    let (read, undisturbed) = to_the_end(&calm).await;

    let mut chance = StdRng::seed_from_u64(SEED);
    let (mut kills, mut ends) = (0, 0);
    let before = requests(&app).await;
    while kills < KILLS {
        let run = chance.random_range(1..=LONGEST_RUN);
        let moment = Duration::from_micros(chance.random_range(0..12_000));
        if killed_after(&app, &on(&killed), run, moment).await {
            kills += 1;
        } else {
            ends += 1;
        }
        assert!(ends < KILLS as u64, "{kills} kills, seed {SEED}");
        // The minute after which the lock is forgotten: see the test in `imports`.
        let store = Store::connect(&killed).await.unwrap();
        let forget = store.write(|tx| progress::forget(tx, LOCK).boxed());
        forget.await.unwrap();
        store.close().await;
    }
    let (of_killed, _) = to_the_end(&killed).await;
    assert_eq!(of_killed, read, "what earlier runs read is counted too");
    let asked = requests(&app).await - before;
    let told = format!(
        "{asked} requests with {kills} kills and {ends} ends between, {undisturbed} undisturbed, seed {SEED}"
    );
    assert!(
        asked <= undisturbed * (ends + 1) + LOST_BY_A_KILL * kills as u64,
        "it does not go on where it was: {told}"
    );
    let (calm, killed) = (state(&calm).await, state(&killed).await);
    for table in [
        "customer ",
        "product ",
        "price ",
        "subscription ",
        "invoice ",
    ] {
        assert!(calm.iter().any(|row| row.starts_with(table)), "{table}");
    }
    assert!(calm == killed, "{told}");
}

/// Tells the child to stop; how long it took, and its last words.
async fn told_to_stop(mut child: Child, signal: Signal) -> (Duration, Option<i32>, String) {
    kill_process(Pid::from_child(&child), signal).unwrap();
    let began = Instant::now();
    let status = eventually(|| {
        let status = child.try_wait().unwrap();
        async move { status }
    })
    .await;
    let took = began.elapsed();
    let mut words = String::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_string(&mut words).unwrap();
    (took, status.code(), words)
}

async fn checklist_71_told_to_stop_while_it_waits_an_import_ends_within_a_second(engine: Engine) {
    let app = spawn_app(engine).await;
    app.control("POST", "customers", json!({ "count": 3 }))
        .await;
    let asked = async |status: Value| {
        let log = app.control("GET", "requests", Value::Null).await;
        let all = log["requests"].as_array().unwrap().iter();
        all.filter(|call| call["path"] == "/v1/customers" && call["status"] == status)
            .count()
    };
    let import = ["import", "--only", "customers", "--rate", "200"];
    for (fault, status, times, signal) in [
        // Asked to wait for five minutes.
        (
            json!({ "status": 429, "retry_after": 300 }),
            json!(429),
            1,
            Signal::INT,
        ),
        (
            json!({ "status": 503, "retry_after": 300 }),
            json!(503),
            1,
            Signal::TERM,
        ),
        // After failures in a row it waits by itself.
        (json!({ "status": 500 }), json!(500), 5, Signal::INT),
        // In the middle of a request.
        (json!({ "hang": true }), Value::Null, 1, Signal::TERM),
    ] {
        app.control("DELETE", "requests", Value::Null).await;
        let mut order = fault.clone();
        order["path"] = json!("/v1/customers");
        app.control("POST", "faults", order).await;
        let child = start(&environment(&app), &import);
        eventually(|| async { (asked(status.clone()).await >= times).then_some(()) }).await;
        let (took, code, words) = told_to_stop(child, signal).await;
        assert!(took < Duration::from_secs(1), "{fault}: {took:?}");
        assert_eq!(code, Some(1), "{fault}: {words}");
        assert!(
            words.contains("stopped; `billhook import --only customers` goes on from here"),
            "{fault}: {words}"
        );
        app.control("DELETE", "faults", Value::Null).await;
    }
    // Nothing is in the way of the next.
    assert!(said(&app, &import).await.ends_with("read 3 customers\n"));
}
