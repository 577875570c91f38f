//! An event that cannot be applied: it is kept, tried again, dies in the open, and is applied once
//! its cause is gone. All the while it costs no other event anything.

use billhook::{
    clock::Clock,
    domain::worker,
    store::{self, Store, customer::Customer},
};
use futures::{FutureExt, future::join_all};
use serde_json::{Value, json};

use crate::{
    contract,
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, customer_object, event, eventually, spawn_app},
    operator,
    worker::{row, state, stored},
};

on_both_engines!(
    checklist_52_poison_is_kept_and_harms_no_other_event,
    checklist_52_poison_dies_in_the_open_and_is_replayed_once_its_cause_is_gone,
    a_panic_in_a_transaction_is_an_error_of_that_one_alone,
);

const POISON: &str = "cus_poison";

/// Makes the database refuse the row of one customer.
async fn refuse(app: &TestApp) {
    execute(
        app,
        "CREATE TRIGGER poison BEFORE INSERT ON customer WHEN NEW.id = 'cus_poison'
         BEGIN SELECT RAISE(ABORT, 'no such customer here'); END",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF NEW.id = 'cus_poison' THEN RAISE EXCEPTION 'no such customer here'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER poison BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
}

async fn accept(app: &TestApp) {
    let drop = "DROP TRIGGER poison";
    execute(app, drop, "DROP TRIGGER poison ON customer").await;
}

async fn execute(app: &TestApp, sqlite: &'static str, postgres: &'static str) {
    match &app.app.store {
        Store::Sqlite { writer, .. } => {
            sqlx::raw_sql(sqlite).execute(writer).await.unwrap();
        }
        Store::Postgres(pool) => {
            sqlx::raw_sql(postgres).execute(pool).await.unwrap();
        }
    }
}

fn update(id: &str, name: &str, second: i64) -> Value {
    let object = customer_object(id, "ada@example.com", name);
    event(
        "customer.updated",
        second,
        object,
        json!({ "name": "before" }),
    )
}

async fn checklist_52_poison_is_kept_and_harms_no_other_event(engine: Engine) {
    let app = spawn_app(engine).await;
    refuse(&app).await;
    let alone = update(POISON, "Eve", 1_700_000_000);
    let answer = app.deliver(&alone).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "failed\n");
    let kept = stored(&app, &alone).await.unwrap();
    assert_eq!((kept.state.as_str(), kept.attempts), ("failed", 1));
    assert!(kept.due_at.unwrap() > kept.received_at);
    assert!(kept.error.unwrap().contains("no such customer here"));

    // In one batch with others, in the inbox and then in the worker.
    let crowd: Vec<_> = (0..60)
        .map(|number| match number % 10 {
            5 => update(POISON, "Eve", 1_700_000_001 + number),
            _ => update(&format!("cus_{number}"), "Ada", 1_700_000_000),
        })
        .collect();
    let answers = join_all(crowd.iter().map(|event| app.deliver(event))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let is_poison = |event: &Value| event["data"]["object"]["id"] == POISON;
    for event in &crowd {
        let wanted = if is_poison(event) {
            "failed"
        } else {
            "applied"
        };
        assert_eq!(state(&app, event).await, wanted, "{event}");
    }
    assert_eq!(
        row(&app, "cus_0").await.unwrap().name.as_deref(),
        Some("Ada")
    );
    let now = app.clock.now();
    let ids: Vec<_> = crowd
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    let requeued = app.app.store.write(move |tx| {
        async move {
            let ids: Vec<_> = ids.iter().map(String::as_str).collect();
            store::event::requeue(tx, &ids, now).await
        }
        .boxed()
    });
    assert_eq!(requeued.await.unwrap(), 60);
    for event in &crowd {
        let wanted = if is_poison(event) {
            "failed"
        } else {
            "applied"
        };
        eventually(|| async { (state(&app, event).await == wanted).then_some(()) }).await;
    }
    assert_eq!(row(&app, POISON).await, None);
    let after = update("cus_after", "Ada", 1_700_000_000);
    assert_eq!(app.deliver(&after).await.text().await.unwrap(), "applied\n");
}

async fn checklist_52_poison_dies_in_the_open_and_is_replayed_once_its_cause_is_gone(
    engine: Engine,
) {
    let app = spawn_app(engine).await;
    refuse(&app).await;
    let poison = update(POISON, "Ada", 1_700_000_000);
    assert_eq!(app.deliver(&poison).await.status(), 200);
    let mut seen = Vec::new();
    let dead = loop {
        let row = stored(&app, &poison).await.unwrap();
        assert!(row.error.is_some());
        if seen.last() != Some(&row.attempts) {
            seen.push(row.attempts);
        }
        let Some(due_at) = row.due_at else { break row };
        assert_eq!(row.state.as_str(), "failed");
        assert!(row.attempts <= 13, "{row:?}");
        app.clock.advance((due_at - app.clock.now()).max(0));
        worker::step(&app.app).await.unwrap();
    };
    assert_eq!(dead.state.as_str(), "dead");
    assert!(dead.attempts >= 12 && seen.is_sorted(), "{seen:?}");
    assert!(dead.error.unwrap().contains("no such customer here"));
    app.clock.advance(7 * 24 * 60 * 60);
    worker::step(&app.app).await.unwrap();
    assert_eq!(stored(&app, &poison).await.unwrap().attempts, dead.attempts);

    accept(&app).await;
    // The command's clock is the machine's.
    app.clock.advance(Clock::default().now() - app.clock.now());
    let id = poison["id"].as_str().unwrap();
    let mut left = Vec::new();
    for _ in 0..2 {
        operator::said(&app, &["events", "replay", id, "--yes"]).await;
        eventually(|| async { (state(&app, &poison).await == "applied").then_some(()) }).await;
        let replayed = stored(&app, &poison).await.unwrap();
        assert_eq!((replayed.error, replayed.due_at), (None, None));
        left.push(contract::dump(&app.app.store, "customer").await);
    }
    assert!(left[0].contains("Ada"));
    assert_eq!(left[0], left[1]);
}

/// A panic while an event is applied reaches the inbox as this error, which it treats like any other
/// that the event is to blame for.
#[expect(clippy::panic, reason = "it is what is tested")]
async fn a_panic_in_a_transaction_is_an_error_of_that_one_alone(engine: Engine) {
    let store = Store::connect(&database_url(engine).await).await.unwrap();
    let customer = |id: &str| Customer {
        id: id.to_owned(),
        ..Customer::default()
    };
    // More often than there are connections.
    for _ in 0..20 {
        let broken = customer("cus_broken");
        let result: store::Result<()> = store
            .write(move |tx| {
                async move {
                    store::row::put_all(tx, &[&broken]).await?;
                    panic!("on purpose");
                }
                .boxed()
            })
            .await;
        let error = result.unwrap_err();
        assert!(matches!(error, store::Error::WorkerCrashed), "{error}");
        assert!(!store::is_away(&error));
    }
    let good = customer("cus_good");
    let written =
        store.write(move |tx| async move { store::row::put_all(tx, &[&good]).await }.boxed());
    written.await.unwrap();
    let found = store.read(|tx| {
        async move { store::row::find_all::<Customer>(tx, &["cus_broken", "cus_good"]).await }
            .boxed()
    });
    let found: Vec<_> = found.await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(found, ["cus_good"]);
}
