//! What an operator's machine does to a database: power that goes, starts that are cut off, several at
//! once, copies that are put in its place.

use std::{path::PathBuf, time::Duration};

use billhook::{
    clock,
    domain::sweep,
    store::{Store, progress},
};
use futures::{FutureExt, StreamExt, future::join_all, stream};
use serde_json::Value;
use sqlx::{Connection, Row, SqliteConnection};

use crate::{
    crash,
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, customer_object, event, eventually, spawn_app, spawn_app_with},
    operator::{billhook, said},
    worker::{at_stripe, row, stored},
};

on_both_engines!(
    checklist_60_processes_that_start_at_once_make_the_tables_once,
    checklist_60_a_start_that_is_killed_anywhere_is_made_up_for,
);

fn path(url: &str) -> PathBuf {
    url.trim_start_matches("sqlite://").into()
}

/// What SQLite says of a connection of its own.
async fn pragma(connection: &mut SqliteConnection, name: &str) -> String {
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA {name}"));
    let row = sqlx::query(sql).fetch_one(connection).await.unwrap();
    row.try_get::<String, _>(0)
        .unwrap_or_else(|_| row.get::<i64, _>(0).to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_59_sqlite_keeps_what_was_answered() {
    let url = database_url(Engine::Sqlite).await;
    let store = Store::connect(&url).await.unwrap();
    let Store::Sqlite { writer, .. } = &store else {
        unreachable!("an address of SQLite's");
    };
    let mut connection = writer.acquire().await.unwrap();
    for (name, value) in [
        ("journal_mode", "wal"),
        // FULL: the log is flushed at every commit.
        ("synchronous", "2"),
        ("foreign_keys", "1"),
        ("busy_timeout", "5000"),
        ("journal_size_limit", "67108864"),
    ] {
        assert_eq!(pragma(&mut connection, name).await, value, "{name}");
    }
    drop(connection);
    // Whoever writes has the lock from the beginning, before the first statement.
    let other = url.clone();
    let write = store.write(move |_| {
        async move {
            let mut other = SqliteConnection::connect(&other).await?;
            pragma(&mut other, "busy_timeout = 0").await;
            let refused = sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await;
            Ok(refused.unwrap_err().to_string())
        }
        .boxed()
    });
    let refused = write.await.unwrap();
    assert!(refused.contains("locked"), "{refused}");
}

/// As where a file system cannot hold a write-ahead log: SQLite takes another way and says so in an
/// answer that nobody reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_59_a_database_without_a_write_ahead_log_is_refused() {
    let error = Store::connect("sqlite::memory:").await.unwrap_err();
    let says = error.to_string();
    assert!(says.contains("journal_mode = memory"), "{says}");
}

async fn checklist_60_processes_that_start_at_once_make_the_tables_once(engine: Engine) {
    for _ in 0..3 {
        let url = database_url(engine).await;
        let stores = join_all((0..6).map(|_| Store::connect(&url))).await;
        for store in stores {
            let store = store.unwrap();
            let set = store
                .write(|tx| async move { progress::set(tx, "started", "yes", 1).await }.boxed());
            set.await.unwrap();
        }
    }
}

async fn checklist_60_a_start_that_is_killed_anywhere_is_made_up_for(engine: Engine) {
    let whole = {
        let url = database_url(engine).await;
        drop(crash::start(&url));
        shape(&url).await
    };
    for _ in 0..4 {
        let url = database_url(engine).await;
        for _ in 0..3 {
            let mut starting = crash::Running(crash::serve(&url).spawn().unwrap());
            // Somewhere between the first byte of the file and the first request.
            let chance = u64::from(clock::random_bytes()[0]);
            tokio::time::sleep(Duration::from_micros(chance * 400)).await;
            assert!(
                starting.0.try_wait().unwrap().is_none(),
                "it ended by itself"
            );
        }
        drop(crash::start(&url));
        assert_eq!(shape(&url).await, whole);
    }
}

/// The columns of all tables.
async fn shape(url: &str) -> String {
    let store = Store::open(url).await.unwrap();
    let columns: Vec<String> = match &store {
        Store::Sqlite { readers, .. } => {
            let sql = "SELECT name || ': ' || COALESCE(sql, '') FROM sqlite_master ORDER BY name";
            sqlx::query_scalar(sql).fetch_all(readers).await.unwrap()
        }
        Store::Postgres(pool) => {
            let sql = "SELECT table_name || '.' || column_name || ' ' || data_type
                FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1";
            sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
        }
    };
    store.close().await;
    columns.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_a_backup_under_load_is_whole_and_catches_up() {
    let app = spawn_app(Engine::Sqlite).await;
    // The first sweep, at the start, only sets the cursor.
    eventually(|| async {
        let found = app
            .app
            .store
            .read(|tx| async move { progress::get(tx, "sweep").await }.boxed());
        found.await.unwrap()
    })
    .await;
    let loaded: Vec<_> = (0..400)
        .map(|number| {
            let object = customer_object(&format!("cus_load_{number}"), "ada@example.com", "Ada");
            event("customer.created", 1_700_000_000, object, Value::Null)
        })
        .collect();
    let (before, during) = loaded.split_at(100);
    deliver(&app, before).await;
    let to = path(app.app.config.database_url.expose()).with_extension("copy");
    let name = to.to_str().unwrap();
    let backup = ["backup", name];
    let (said, ()) = tokio::join!(said(&app, &backup), deliver(&app, during));
    assert!(said.contains("copied to"), "{said}");
    let missed = at_stripe(&app, &[("email", "ada@example.com"), ("name", "Missed")]).await;

    let restored = database_url(Engine::Sqlite).await;
    std::fs::copy(&to, path(&restored)).unwrap();
    let again = spawn_app_with(&restored, |other| other.stripe = app.app.stripe.clone()).await;
    for event in before {
        assert_eq!(
            stored(&again, event).await.unwrap().state.as_str(),
            "applied"
        );
    }
    // Of each event all or nothing.
    for event in during {
        let id = event["data"]["object"]["id"].as_str().unwrap();
        let is_there = stored(&again, event).await.is_some();
        assert_eq!(row(&again, id).await.is_some(), is_there);
    }
    let Store::Sqlite { readers, .. } = &again.app.store else {
        unreachable!("of SQLite alone");
    };
    let check: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(readers)
        .await
        .unwrap();
    assert_eq!(check, "ok");
    let id = missed["id"].as_str().unwrap();
    eventually(|| async {
        sweep::sweep(&again.app).await.unwrap();
        row(&again, id).await
    })
    .await;

    // Nobody's copy is written over, and nobody else may read one.
    let twice = billhook(&app, &["backup", name]).await;
    let errors = String::from_utf8_lossy(&twice.stderr);
    assert!(
        !twice.status.success() && errors.contains("is there already"),
        "{errors}"
    );
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        std::fs::metadata(&to).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

async fn deliver(app: &TestApp, events: &[Value]) {
    let answers = stream::iter(events)
        .map(|event| app.deliver(event))
        .buffer_unordered(16);
    let statuses: Vec<_> = answers.map(|answer| answer.status()).collect().await;
    assert!(statuses.iter().all(|status| *status == 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_postgres_is_left_to_its_own_tools() {
    let app = spawn_app(Engine::Postgres).await;
    let refused = billhook(&app, &["backup", "copy.db"]).await;
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && errors.contains("pg_dump"),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_48_a_clock_that_is_off_is_noticed() {
    let app = spawn_app(Engine::Sqlite).await;
    let skew = async || sweep::sweep(&app.app).await.unwrap().skew;
    assert!(skew().await.abs() <= 10);
    for seconds in [3_600, -7_200] {
        app.clock.advance(seconds);
    }
    assert!((-3_610..=-3_590).contains(&skew().await));
}
