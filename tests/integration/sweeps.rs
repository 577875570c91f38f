//! The sweep: what never arrived is found, however much it is, whatever breaks off, and from the second on
//! in which the first import began.

use billhook::{
    clock::Clock,
    domain::{import, mirror::Kind, sweep},
    store,
};
use futures::FutureExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, eventually, spawn_app},
    worker::{at_stripe, row},
};

on_both_engines!(
    checklist_55_a_sweep_finds_what_never_arrived,
    checklist_55_a_sweep_that_breaks_off_goes_as_far_back_again,
    checklist_55_what_changes_during_the_first_import_is_found,
);

async fn cursor(app: &TestApp) -> Option<i64> {
    let found = app
        .app
        .store
        .read(|tx| async move { store::progress::get(tx, "sweep").await }.boxed());
    found.await.unwrap().map(|text| text.parse().unwrap())
}

async fn checklist_55_a_sweep_finds_what_never_arrived(engine: Engine) {
    let app = spawn_app(engine).await;
    // The first sweep, at the start, only sets the cursor.
    eventually(|| cursor(&app)).await;
    let missed = at_stripe(&app, &[("email", "ada@example.com"), ("name", "Missed")]).await;
    let id = missed["id"].as_str().unwrap();
    assert_eq!(row(&app, id).await, None);
    let swept = sweep::sweep(&app.app).await.unwrap();
    assert_eq!((swept.found.len(), swept.gap), (1, 0));
    assert!(swept.found[0].starts_with("evt_"), "{swept:?}");
    assert_eq!(row(&app, id).await.unwrap().name.as_deref(), Some("Missed"));
    let again = sweep::sweep(&app.app).await.unwrap();
    assert_eq!(
        (again.found.len(), again.seen),
        (0, 1),
        "overlap is known already"
    );
    sweep::set_cursor(&app.app, Clock::default().now() - 40 * 24 * 60 * 60)
        .await
        .unwrap();
    let after_long = sweep::sweep(&app.app).await.unwrap();
    assert!(after_long.gap > 9 * 24 * 60 * 60, "{after_long:?}");
}

async fn checklist_55_a_sweep_that_breaks_off_goes_as_far_back_again(engine: Engine) {
    const MISSED: u64 = 130;
    let app = spawn_app(engine).await;
    eventually(|| cursor(&app)).await;
    let began = Clock::default().now() - 60;
    sweep::set_cursor(&app.app, began).await.unwrap();
    for number in 0..MISSED {
        let name = format!("Missed {number}");
        at_stripe(&app, &[("email", "ada@example.com"), ("name", &name)]).await;
    }
    // The second page, and not one that makes the client rest.
    let fault = json!({ "path": "/v1/events", "match": "starting_after", "status": 400 });
    app.control("POST", "faults", fault).await;
    assert!(sweep::sweep(&app.app).await.is_err());
    assert_eq!(cursor(&app).await, Some(began));
    app.control("DELETE", "faults", json!({})).await;
    let swept = sweep::sweep(&app.app).await.unwrap();
    assert_eq!((swept.seen, swept.found.len()), (MISSED, 30), "{swept:?}");
    assert!(cursor(&app).await.unwrap() > began);
    assert_eq!(sweep::sweep(&app.app).await.unwrap().found, [""; 0]);
}

async fn checklist_55_what_changes_during_the_first_import_is_found(engine: Engine) {
    let app = spawn_app(engine).await;
    eventually(|| cursor(&app)).await;
    // As before the first start.
    let forgotten = app
        .app
        .store
        .write(|tx| async move { store::progress::forget(tx, "sweep").await }.boxed());
    forgotten.await.unwrap();
    let fault = json!({ "path": "/v1/products", "hang": true });
    app.control("POST", "faults", fault).await;
    let stop = CancellationToken::new();
    let importing = {
        let (app, stop) = (app.app.clone(), stop.clone());
        let client = app.stripe.at_rate(200.try_into().unwrap());
        let nothing = |_| {};
        tokio::spawn(
            async move { import::run(&app, &client, &[Kind::Product], &stop, nothing).await },
        )
    };
    eventually(|| cursor(&app)).await;
    let missed = at_stripe(&app, &[("email", "ada@example.com"), ("name", "Meanwhile")]).await;
    stop.cancel();
    assert!(importing.await.unwrap().unwrap().is_stopped);
    assert_eq!(sweep::sweep(&app.app).await.unwrap().found.len(), 1);
    let row = row(&app, missed["id"].as_str().unwrap()).await;
    assert_eq!(row.unwrap().name.as_deref(), Some("Meanwhile"));
}
