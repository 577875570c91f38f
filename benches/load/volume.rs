//! Much of it: an import of 100,000 customers, and a backlog of 100,000 events that drains while new
//! ones come, on one SQLite database. At the end, the memory of the server that saw all of it.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use billhook::{
    domain::worker,
    say,
    store::{self, Store},
};
use futures::FutureExt;
use serde_json::json;

use crate::{
    SECRET,
    children::{self, Program},
    clients,
    databases::{Database, Engine},
    events,
};

const CUSTOMERS: usize = 100_000;
/// Requests a second, at the stand-in and of the import.
const RATE: usize = 100;
/// Objects on a page.
const PAGE: usize = 100;
const BACKLOG: usize = 100_000;
/// A backlog that takes longer ends the bench.
const PATIENCE: Duration = Duration::from_secs(600);
/// Of new events while the backlog drains.
const NEW_PER_SECOND: usize = 100;

pub async fn measure() {
    let database = Database::new(Engine::Sqlite).await.expect("a database");
    let stand_in = Program::stand_in();
    let billhook = Program::billhook(&database.url, &stand_in.url()).await;
    import(&database, &stand_in).await;
    backlog(&database, &billhook).await;
    let (now, most) = billhook.memory();
    say(&format!(
        "Memory of `billhook serve` after all that: {now} MB, at most {most} MB (goal 64)"
    ));
}

async fn import(database: &Database, stand_in: &Program) {
    let http = reqwest::Client::builder().build().expect("a client");
    for (what, order) in [
        ("customers", json!({ "count": CUSTOMERS })),
        ("rate", json!({ "per_second": RATE })),
    ] {
        let url = format!("{}/_sandbox/{what}", stand_in.url());
        let answer = http.post(url).json(&order).send().await;
        assert_eq!(answer.expect("an answer").status(), 200, "{what}");
    }
    let limit = CUSTOMERS.div_ceil(PAGE) as f64 / RATE as f64;
    let began = Instant::now();
    let mut child = children::billhook(&database.url, &stand_in.url())
        .args(["import", "--only", "customers", "--rate", &RATE.to_string()])
        .args(["--json"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the import starts");
    let mut memory = Vec::new();
    let status = loop {
        if let Some(status) = child.try_wait().expect("its status") {
            break status;
        }
        memory.extend(children::resident(child.id()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let took = began.elapsed().as_secs_f64();
    assert!(status.success(), "the import failed");
    let quarter = memory.get(memory.len() / 4).copied().unwrap_or_default();
    let last = memory.last().copied().unwrap_or_default();
    say(&format!(
        "\nImport of {CUSTOMERS} customers at {RATE} requests/s: {took:.1} s, {:.2} of the {limit:.0} s that the limit dictates (goal 1.2); memory after a quarter of it {quarter} MB, at the end {last} MB",
        took / limit
    ));
}

/// Events as `billhook events replay` leaves them: stored, and all due at once.
async fn backlog(database: &Database, billhook: &Program) {
    let store = Store::connect(&database.url).await.expect("the database");
    let now = billhook::clock::Clock::default().now();
    let rows: Vec<_> = (0..BACKLOG).map(|number| row(number, now)).collect();
    for some in rows.chunks(2048) {
        let some = some.to_vec();
        let work =
            store.write(move |tx| async move { store::event::insert_all(tx, &some).await }.boxed());
        work.await.expect("stored");
    }
    let ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
    let began = Instant::now();
    let drained = async {
        let replayed = worker::replay(&store, &ids, now).await;
        assert_eq!(replayed.expect("replayed"), BACKLOG as u64);
        while is_something_due(&store).await {
            assert!(began.elapsed() < PATIENCE, "the backlog does not drain");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        began.elapsed()
    };
    let (took, load) = clients::post_until(billhook.address, NEW_PER_SECOND, SECRET, drained).await;
    say(&format!(
        "Backlog of {BACKLOG} events: drained in {:.1} s (goal 180), {:.0}/s; meanwhile {} new ones at {NEW_PER_SECOND}/s answered with p50 {:.2} ms, p99 {:.2} ms (goal 50)",
        took.as_secs_f64(),
        BACKLOG as f64 / took.as_secs_f64(),
        load.count(),
        load.percentile(0.50),
        load.percentile(0.99),
    ));
    store.close().await;
}

fn row(number: usize, now: i64) -> store::event::Event {
    let customer = events::customer(number);
    let event = events::event(number, &customer, now);
    store::event::Event {
        id: event["id"].as_str().expect("an id").to_owned(),
        r#type: "customer.updated".to_owned(),
        object_id: customer["id"].as_str().map(str::to_owned),
        customer_id: customer["id"].as_str().map(str::to_owned),
        created: now,
        livemode: 0,
        api_version: event["api_version"].as_str().map(str::to_owned),
        state: store::event::State::Dead,
        attempts: 12,
        error: Some("the database refused it".to_owned()),
        received_at: now,
        processed_at: None,
        due_at: None,
        tried_since: None,
        payload: event.to_string(),
    }
}

async fn is_something_due(store: &Store) -> bool {
    const SQL: &str = "SELECT EXISTS (SELECT 1 FROM event WHERE due_at IS NOT NULL)";
    let Store::Sqlite { readers, .. } = store else {
        return false;
    };
    sqlx::query_scalar(SQL)
        .fetch_one(readers)
        .await
        .expect("an answer")
}
