//! A disk that is full, or fails: not the fault of the event that meets it. SQLite is made to find its
//! disk full, and Postgres to say of its own what it would.

use billhook::store::{self, Store, Tx, customer::Customer, progress, row};
use futures::{FutureExt, future::join_all};
use serde_json::{Value, json};
use sqlx::SqlitePool;

use crate::{
    engines::{Engine, database_url},
    helpers::{TestApp, customer_object, event, eventually, spawn_app},
    worker::{self, stored},
};

fn large(id: &str) -> Value {
    let mut object = customer_object(id, "ada@example.com", "Ada");
    object["metadata"] = json!({ "long": "x".repeat(20_000) });
    event("customer.created", 1_700_000_000, object, Value::Null)
}

fn writer(app: &TestApp) -> &SqlitePool {
    match &app.app.store {
        Store::Sqlite { writer, .. } => writer,
        Store::Postgres(_) => unreachable!("of SQLite alone"),
    }
}

/// Lets the file grow by so many pages; then SQLite says that the disk is full. A connection that is
/// made anew is told the same.
async fn leave_room(app: &TestApp, pages: i64) {
    let writer = writer(app);
    let used: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(writer)
        .await
        .unwrap();
    let most = (used + pages).to_string();
    let sql = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {most}"));
    sqlx::query(sql).execute(writer).await.unwrap();
    let options = writer.connect_options().as_ref().clone();
    writer.set_connect_options(options.pragma("max_page_count", most));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_a_full_disk_is_503_and_nothing_is_lost() {
    let app = spawn_app(Engine::Sqlite).await;
    let early: Vec<_> = (0..5)
        .map(|number| large(&format!("cus_early_{number}")))
        .collect();
    for event in &early {
        assert_eq!(app.deliver(event).await.status(), 200);
    }
    let late: Vec<_> = (0..30)
        .map(|number| large(&format!("cus_{number}")))
        .collect();
    // There may be room for the event and none for its effect: that is not the event's failure.
    let mut said = Vec::new();
    for (event, room) in late.iter().zip(0..15) {
        leave_room(&app, room).await;
        said.push(app.deliver(event).await.text().await.unwrap());
    }
    let is_refusal = |answer: &String| answer.contains("\"detail\":\"not stored, send it again\"");
    assert!(is_refusal(&said[0]), "{}", said[0]);
    assert!(
        said.iter().all(|one| is_refusal(one) || one == "applied\n"),
        "{said:?}"
    );
    // And many at once.
    leave_room(&app, 0).await;
    let answers = join_all(late[15..].iter().map(|event| app.deliver(event))).await;
    for (answer, event) in answers.into_iter().zip(&late[15..]) {
        assert_eq!(answer.status(), 503);
        assert!(stored(&app, event).await.is_none());
    }
    let known = app.deliver(&early[0]).await;
    assert_eq!(known.text().await.unwrap(), "duplicate\n");

    leave_room(&app, 1_000_000).await;
    let answers = join_all(late.iter().map(|event| app.deliver(event))).await;
    for answer in answers {
        assert_eq!(answer.status(), 200);
    }
    for event in early.iter().chain(&late) {
        assert_eq!(stored(&app, event).await.unwrap().state.as_str(), "applied");
        let id = event["data"]["object"]["id"].as_str().unwrap();
        assert!(worker::row(&app, id).await.is_some());
    }
    let check: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(writer(&app))
        .await
        .unwrap();
    assert_eq!(check, "ok");
}

/// Stands for a disk that fails: SQLite takes the transaction back by itself, which sqlx does not
/// notice.
const FAILING: &str = "CREATE TRIGGER failing BEFORE INSERT ON customer
    WHEN NEW.id = 'cus_failing' BEGIN SELECT RAISE(ROLLBACK, 'the disk failed'); END";

/// The one connection that writes must be good for the next transaction all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_sqlite_takes_back_by_itself_is_over() {
    let app = spawn_app(Engine::Sqlite).await;
    sqlx::query(FAILING).execute(writer(&app)).await.unwrap();
    let failing = large("cus_failing");
    assert_eq!(
        app.deliver(&failing).await.text().await.unwrap(),
        "failed\n"
    );
    let other = large("cus_other");
    assert_eq!(app.deliver(&other).await.text().await.unwrap(), "applied\n");
    assert!(worker::row(&app, "cus_other").await.is_some());
}

async fn put(tx: &mut Tx, id: &str) -> store::Result<()> {
    let row = Customer {
        id: id.to_owned(),
        ..Customer::default()
    };
    row::put_all(tx, &[&row]).await
}

/// And one that reads must not go on in the transaction that was, seeing nothing new.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_sqlite_takes_back_by_itself_is_over() {
    let url = database_url(Engine::Sqlite).await;
    let store = Store::connect(&url).await.unwrap();
    let Store::Sqlite { writer, .. } = &store else {
        unreachable!("of SQLite alone");
    };
    sqlx::query(FAILING).execute(writer).await.unwrap();
    let failing = store.read(|tx| put(tx, "cus_failing").boxed());
    failing.await.unwrap_err();
    for id in ["cus_1", "cus_2", "cus_3"] {
        let written = store.write(move |tx| put(tx, id).boxed());
        written.await.unwrap();
        let found =
            store.read(move |tx| async move { row::find::<Customer>(tx, id).await }.boxed());
        assert!(found.await.unwrap().is_some(), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checklist_60_a_server_that_cannot_write_is_503_and_nothing_is_lost() {
    let app = spawn_app(Engine::Postgres).await;
    let Store::Postgres(pool) = &app.app.store else {
        unreachable!("of Postgres alone");
    };
    let object = customer_object("cus_1", "ada@example.com", "Ada");
    let event = event("customer.created", 1_700_000_000, object, Value::Null);
    // Full, failing, starting, and a replica.
    for code in ["53100", "58030", "57P03", "25006"] {
        let refuse = format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$;
             CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON customer
                 EXECUTE FUNCTION refuse()"
        );
        let refuse = sqlx::AssertSqlSafe(refuse);
        sqlx::raw_sql(refuse).execute(pool).await.unwrap();
        assert_eq!(app.deliver(&event).await.status(), 503, "{code}");
        assert!(stored(&app, &event).await.is_none());
    }
    let accept = "DROP TRIGGER refuse ON customer";
    sqlx::raw_sql(accept).execute(pool).await.unwrap();
    assert_eq!(app.deliver(&event).await.text().await.unwrap(), "applied\n");
}

/// Long before the writer would do it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_write_ahead_log_is_moved_into_the_file() {
    const VALUE: &[u8] = b"a value to look for";
    let url = database_url(Engine::Sqlite).await;
    let store = Store::connect(&url).await.unwrap();
    let write = store.write(|tx| {
        async move { progress::set(tx, "moved", "a value to look for", 1).await }.boxed()
    });
    write.await.unwrap();
    let path = url.trim_start_matches("sqlite://");
    eventually(|| async {
        let file = std::fs::read(path).unwrap();
        file.windows(VALUE.len())
            .any(|window| window == VALUE)
            .then_some(())
    })
    .await;
}
