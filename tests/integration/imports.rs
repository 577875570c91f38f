//! The import as the real program: one at a time, killed anywhere, patient when it is asked to be.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use billhook::{
    clock,
    domain::import::lock::Lock,
    store::{Store, customer, customer::Customer, progress, row},
};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, eventually, spawn_app},
    operator::{billhook, environment, said},
};

on_both_engines!(
    checklist_71_of_two_imports_one_is_refused_and_a_killed_one_is_forgotten,
    checklist_71_killed_anywhere_an_import_ends_in_the_same_state,
    checklist_71_an_import_waits_as_long_as_it_is_asked_to,
    checklist_71_a_purge_shows_what_it_would_do_first,
);

const LOCK: &str = "import under way";

async fn checklist_71_of_two_imports_one_is_refused_and_a_killed_one_is_forgotten(engine: Engine) {
    let app = spawn_app(engine).await;
    app.control("POST", "customers", json!({ "count": 3 }))
        .await;
    let lost = CancellationToken::new();
    let take = async || Lock::take(&app.app, &lost).await.unwrap();
    let first = take().await.expect("nobody else imports");
    let import = ["import", "--only", "customers", "--rate", "200"];
    let second = billhook(&app, &import).await;
    let errors = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        errors.contains("another import runs") && errors.contains("60 seconds"),
        "{errors}"
    );
    assert!(first.release(&app.app).await.unwrap());
    assert!(said(&app, &import).await.ends_with("read 3 customers\n"));

    // One that was killed says nothing any more and gives nothing back.
    let killed = take().await.expect("the import gave it back");
    drop(killed);
    // Seconds are whole, and go on meanwhile.
    app.clock.advance(57);
    assert!(take().await.is_none(), "57 seconds later");
    app.clock.advance(4);
    let next = take().await.expect("a minute later");
    assert!(next.release(&app.app).await.unwrap());
    assert!(!lost.is_cancelled());
}

/// Starts an import and kills it after a while; whether it was still at work.
async fn killed_after(app: &TestApp, database_url: &str, pause: Duration) -> bool {
    let mut settings = environment(app);
    settings.insert("DATABASE_URL".to_owned(), database_url.to_owned());
    let mut child = Command::new(env!("CARGO_BIN_EXE_billhook"))
        .args(["import", "--rate", "60"])
        .env_clear()
        .envs(settings)
        .current_dir(std::env::temp_dir())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(pause).await;
    let was_at_work = child.try_wait().unwrap().is_none();
    // An error says that it has ended by itself.
    let _ = child.kill();
    child.wait().unwrap();
    was_at_work
}

/// All customers of a database, but for when they were read.
async fn customers(store: &Store) -> Vec<Customer> {
    let read = store.read(|tx| {
        async move {
            let ids = customer::ids_after(tx, "", false, 100_000).await?;
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            row::find_all::<Customer>(tx, &ids).await
        }
        .boxed()
    });
    let mut all = read.await.unwrap();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.into_iter()
        .map(|row| Customer {
            stripe_at: 0,
            ..row
        })
        .collect()
}

async fn checklist_71_killed_anywhere_an_import_ends_in_the_same_state(engine: Engine) {
    const KILLS: usize = 12;
    let app = spawn_app(engine).await;
    // Of several seconds, so that pages end in the middle of one.
    let crowd = json!({ "count": 4_000, "per_second_of_created": 7 });
    app.control("POST", "customers", crowd).await;
    let killed = database_url(engine).await;
    let mut at_work = 0;
    for _ in 0..KILLS {
        let chance = u64::from(clock::random_bytes()[0]);
        let pause = Duration::from_millis(60 + 3 * chance);
        at_work += usize::from(killed_after(&app, &killed, pause).await);
        // The minute after which it is forgotten: see the test above.
        let store = Store::connect(&killed).await.unwrap();
        let forget = store.write(|tx| progress::forget(tx, LOCK).boxed());
        forget.await.unwrap();
        store.close().await;
    }
    assert!(
        at_work > KILLS / 2,
        "{at_work} of {KILLS} were killed at work"
    );
    let mut settings = environment(&app);
    settings.insert("DATABASE_URL".to_owned(), killed.clone());
    let ended = crate::operator::run_with(&settings, &["import", "--rate", "500"]).await;
    assert!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    said(&app, &["import", "--rate", "500"]).await;
    let store = Store::connect(&killed).await.unwrap();
    let of_killed = customers(&store).await;
    assert_eq!(of_killed.len(), 4_000);
    assert_eq!(
        of_killed,
        customers(&app.app.store).await,
        "after {at_work} kills"
    );
    let left = crate::contract::dump(&store, "progress").await;
    assert!(!left.contains("import"), "{left}");
}

async fn checklist_71_an_import_waits_as_long_as_it_is_asked_to(engine: Engine) {
    let app = spawn_app(engine).await;
    app.control("POST", "customers", json!({ "count": 3 }))
        .await;
    // The fastest that Stripe lets a sandbox go, less a fifth: without --rate it is never refused.
    app.control("POST", "rate", json!({ "per_second": 21 }))
        .await;
    said(&app, &["import"]).await;
    let rate = app.control("GET", "rate", Value::Null).await;
    assert_eq!(rate["refused"], 0, "{rate}");
    app.control("POST", "rate", json!({ "per_second": null }))
        .await;

    let fault = json!({
        "path": "/v1/customers", "status": 429, "retry_after": 3, "times": 1,
    });
    app.control("POST", "faults", fault).await;
    let began = Instant::now();
    let told = said(&app, &["import", "--only", "customers", "--rate", "200"]).await;
    assert!(told.ends_with("read 3 customers\n"), "{told}");
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(3), "{took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

async fn checklist_71_a_purge_shows_what_it_would_do_first(engine: Engine) {
    let app = spawn_app(engine).await;
    // The server purges at its start; what is made old after that waits for an hour.
    app.customer("ada@example.com", "Ada").await;
    eventually(|| async {
        let list = said(&app, &["events", "list", "--state", "applied", "--json"]).await;
        (list.lines().count() == 1).then_some(())
    })
    .await;
    age_all_events(&app).await;
    let dry = said(&app, &["purge"]).await;
    assert_eq!(
        dry,
        "1 payloads would be deleted, and sign-ins and sessions whose time is over. Do it with --yes.\n"
    );
    let dry: Value = serde_json::from_str(&said(&app, &["purge", "--json"]).await).unwrap();
    assert_eq!(dry["payloads_to_delete"], 1, "nothing was deleted before");
    assert_eq!(
        said(&app, &["purge", "--yes"]).await,
        "1 payloads, 0 sign-ins and 0 sessions deleted\n"
    );
    assert_eq!(
        said(&app, &["purge"]).await,
        "0 payloads would be deleted, and sign-ins and sessions whose time is over. Do it with --yes.\n"
    );
}

async fn age_all_events(app: &TestApp) {
    let sql = "UPDATE event SET received_at = 1";
    match &app.app.store {
        Store::Sqlite { writer, .. } => {
            sqlx::query(sql).execute(writer).await.unwrap();
        }
        Store::Postgres(pool) => {
            sqlx::query(sql).execute(pool).await.unwrap();
        }
    }
}
