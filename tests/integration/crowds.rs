//! Many at once: the same event by the thousand, and requests that go away at any moment.

use std::{collections::BTreeMap, time::Duration};

use billhook::{
    clock,
    domain::{inbox::Inbox, sync::Ours},
    store::{self, Store},
};
use futures::{FutureExt, StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use sqlx::{Connection, Row, SqliteConnection, postgres::PgPoolOptions, sqlite::SqlitePoolOptions};
use tokio::sync::Mutex;

use crate::{
    contract,
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, customer_object, event, eventually, spawn_app_with},
    worker::{row, stored},
};

on_both_engines!(
    checklist_45_an_event_sent_a_thousand_times_at_once_has_one_effect,
    a_crowd_about_few_objects_ends_in_the_newest,
    checklist_57_requests_that_go_away_leave_no_transaction_open,
);

fn created(id: &str) -> Value {
    let object = customer_object(id, "ada@example.com", "Ada");
    event("customer.created", 1_700_000_000, object, Value::Null)
}

/// How many events are stored.
async fn rows(app: &TestApp) -> store::Result<i64> {
    let count = app
        .app
        .store
        .read(|tx| async move { store::event::count(tx).await }.boxed());
    count.await
}

async fn checklist_45_an_event_sent_a_thousand_times_at_once_has_one_effect(engine: Engine) {
    let url = database_url(engine).await;
    let processes = if matches!(engine, Engine::Sqlite) {
        1
    } else {
        4
    };
    let mut apps = Vec::new();
    for _ in 0..processes {
        let app = spawn_app_with(&url, |_| {}).await;
        // Some connections are open before the crowd is there: on a busy machine opening one takes
        // longer than a sender may be kept waiting.
        drop(join_all((0..4).map(|_| rows(&app))).await);
        apps.push(app);
    }
    let sent = created("cus_1");
    let answers: Vec<_> = stream::iter(apps.iter().cycle().take(1000))
        .map(|app| async {
            let answer = app.deliver(&sent).await;
            (answer.status().as_u16(), answer.text().await.unwrap())
        })
        .buffer_unordered(200)
        .collect()
        .await;
    let mut tally = BTreeMap::new();
    for (status, said) in &answers {
        *tally.entry((*status, said.as_str())).or_default() += 1;
    }
    let wanted = BTreeMap::from([((200, "applied\n"), 1), ((200, "duplicate\n"), 999)]);
    assert_eq!(tally, wanted);
    for table in ["event", "customer"] {
        let rows = contract::dump(&apps[0].app.store, table).await;
        assert_eq!(rows.lines().count(), 1, "{rows}");
    }
    let stored = stored(&apps[0], &sent).await.unwrap();
    assert_eq!((stored.state.as_str(), stored.attempts), ("applied", 1));
}

/// More than one transaction takes, so that several are under way, about the same objects and with the
/// same events.
async fn a_crowd_about_few_objects_ends_in_the_newest(engine: Engine) {
    const CUSTOMERS: i64 = 50;
    const EVENTS: i64 = 600;
    let app = spawn_app_with(&database_url(engine).await, |_| {}).await;
    drop(join_all((0..4).map(|_| rows(&app))).await);
    let events: Vec<_> = (0..EVENTS)
        .map(|second| {
            let id = format!("cus_{}", second % CUSTOMERS);
            let object = customer_object(&id, "ada@example.com", &format!("Ada {second}"));
            let before = json!({ "name": format!("Ada {}", second - CUSTOMERS) });
            event("customer.updated", 1_700_000_000 + second, object, before)
        })
        .collect();
    // Every one twice and far from its neighbours: 7 and 1,200 have no divisor in common.
    let sent = (0..2 * EVENTS).map(|place| &events[(place * 7 % EVENTS) as usize]);
    let answers: Vec<_> = stream::iter(sent)
        .map(|event| async {
            let answer = app.deliver(event).await;
            assert_eq!(answer.status(), 200);
            answer.text().await.unwrap()
        })
        .buffer_unordered(300)
        .collect()
        .await;
    let twice = answers.iter().filter(|said| *said == "duplicate\n").count();
    assert_eq!(twice, events.len());
    assert_eq!(rows(&app).await.unwrap(), EVENTS);
    for event in &events {
        let state = stored(&app, event).await.unwrap().state.as_str();
        assert!(["applied", "stale"].contains(&state), "{state}");
    }
    for newest in EVENTS - CUSTOMERS..EVENTS {
        let row = row(&app, &format!("cus_{}", newest % CUSTOMERS))
            .await
            .unwrap();
        assert_eq!(row.name, Some(format!("Ada {newest}")));
        assert_eq!(row.stripe_at, 1_700_000_000 + newest);
    }
}

/// The same database over as few connections as there can be.
fn narrow(store: &Store) -> Store {
    let patience = Duration::from_secs(3);
    match store {
        Store::Sqlite { writer, wal, .. } => {
            let options = writer.connect_options().as_ref().clone();
            let readers = SqlitePoolOptions::new()
                .max_connections(1)
                .acquire_timeout(patience)
                .connect_lazy_with(options);
            Store::Sqlite {
                writer: writer.clone(),
                readers,
                wal: wal.clone(),
            }
        }
        Store::Postgres(pool) => {
            let options = pool.connect_options().as_ref().clone();
            let pool = PgPoolOptions::new()
                .max_connections(2)
                .acquire_timeout(patience)
                .connect_lazy_with(options);
            Store::Postgres(pool)
        }
    }
}

async fn checklist_57_requests_that_go_away_leave_no_transaction_open(engine: Engine) {
    let app = spawn_app_with(&database_url(engine).await, |app| {
        app.store = narrow(&app.store);
        app.inbox = Inbox::start(
            app.store.clone(),
            app.clock.clone(),
            Ours::of(&app.config),
            app.changes.clone(),
        );
    })
    .await;
    let cookies = app.signed_in("ada@example.com").await.cookies;
    let (mut acknowledged, mut gone) = (Vec::new(), 0);
    let mut requests = stream::iter(0..1000)
        .map(|number| request(&app, &cookies, number))
        .buffer_unordered(24);
    while let Some(end) = requests.next().await {
        match end {
            End::Acknowledged(event) => acknowledged.push(event),
            End::Answered => {}
            End::Gone => gone += 1,
        }
    }
    assert!(
        acknowledged.len() > 50 && gone > 50,
        "{} and {gone}",
        acknowledged.len()
    );
    for number in 0..20 {
        let answer = app.deliver(&created(&format!("cus_after_{number}"))).await;
        assert_eq!(answer.status(), 200);
    }
    for event in &acknowledged {
        assert_eq!(stored(&app, event).await.unwrap().state.as_str(), "applied");
        let id = event["data"]["object"]["id"].as_str().unwrap();
        assert!(row(&app, id).await.is_some(), "{id}");
    }
    match &app.app.store {
        Store::Postgres(pool) => {
            // Both at once, so that nobody uses them.
            let mut both = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
            for connection in &mut both {
                // In a transaction the time stands still.
                let row = sqlx::raw_sql("SELECT now() = statement_timestamp()")
                    .fetch_one(&mut **connection)
                    .await
                    .unwrap();
                assert!(row.get::<bool, _>(0), "a transaction is open");
            }
        }
        Store::Sqlite { writer, .. } => {
            let options = writer.connect_options();
            let other = Mutex::new(SqliteConnection::connect_with(&options).await.unwrap());
            // It fails while any transaction is open. The workers have short ones all the time; one
            // that was left open would stay.
            eventually(|| async {
                const SQL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
                let mut other = other.lock().await;
                let result: (i64, i64, i64) =
                    sqlx::query_as(SQL).fetch_one(&mut *other).await.unwrap();
                (result.0 == 0).then_some(())
            })
            .await;
        }
    }
}

enum End {
    Acknowledged(Value),
    Answered,
    Gone,
}

/// A request of some kind. Three in four are given up at a moment that may be in its middle.
async fn request(app: &TestApp, cookies: &BTreeMap<String, String>, number: u64) -> End {
    let patience = match number % 4 {
        0 => Duration::from_secs(20),
        _ => {
            let chance = u64::from(clock::random_bytes()[0]);
            Duration::from_micros(chance * if matches!(number % 7, 2 | 3) { 40 } else { 250 })
        }
    };
    let mut browser = app.browser();
    browser.cookies.clone_from(cookies);
    let work = async {
        match number % 7 {
            0 => drop(browser.get("/billing").await),
            1 => {
                let address = format!("nobody{number}@example.com");
                let form = [("email", address.as_str())];
                drop(browser.post("/api/ask_link", &form).await);
            }
            // Two without HTTP around them, so that it is the transaction that is given up.
            2 => drop(rows(app).await),
            3 => {
                let text = json!(number).to_string();
                let write = app.app.store.write(move |tx| {
                    async move { store::progress::set(tx, "storm", &text, 1).await }.boxed()
                });
                drop(write.await);
            }
            _ => {
                let event = created(&format!("cus_{number}"));
                return match app.deliver(&event).await.status().as_u16() {
                    200 => End::Acknowledged(event),
                    _ => End::Answered,
                };
            }
        }
        End::Answered
    };
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or(End::Gone)
}
