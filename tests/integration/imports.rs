//! The import: one at a time, patient when Stripe is in trouble, going on where it was stopped.

use std::time::{Duration, Instant};

use billhook::{
    domain::{
        import::{self, lock::Lock},
        mirror::Kind,
    },
    store::{Store, progress},
    stripe::pace::Pace,
};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, event, eventually, spawn_app},
    operator::{billhook, said},
};

on_both_engines!(
    checklist_71_of_two_imports_one_is_refused_and_a_killed_one_is_forgotten,
    checklist_71_a_pause_of_stripes_is_waited_for,
    an_import_goes_on_where_its_last_object_was_deleted,
    an_import_goes_on_among_the_customers_that_no_page_names,
    an_import_of_other_nouns_begins_anew,
    checklist_71_an_import_waits_as_long_as_it_is_asked_to,
    checklist_71_a_purge_shows_what_it_would_do_first,
    a_subscription_alone_tells_its_prices,
);

pub const LOCK: &str = "import under way";

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
    // The clocks of the machines do not matter, the database's does.
    app.clock.advance(3600);
    assert!(take().await.is_none(), "its own clock is an hour ahead");
    app.clock.advance(-7200);
    // Seconds are whole, and go on meanwhile.
    age_lock(&app.app.store, 57).await;
    assert!(take().await.is_none(), "57 seconds later");
    age_lock(&app.app.store, 4).await;
    let next = take().await.expect("a minute later");
    assert!(next.release(&app.app).await.unwrap());
    assert!(!lost.is_cancelled());
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

/// How often a route was answered so.
async fn answered(app: &TestApp, path: &str, status: u16) -> usize {
    let log = app.control("GET", "requests", Value::Null).await;
    let all = log["requests"].as_array().unwrap().iter();
    all.filter(|call| call["path"] == path && call["status"] == status)
        .count()
}

async fn checklist_71_a_pause_of_stripes_is_waited_for(engine: Engine) {
    let app = spawn_app(engine).await;
    app.control("POST", "customers", json!({ "count": 3 }))
        .await;
    // Four tries, the fifth after which Stripe is left alone, and one after that.
    let fault = json!({ "path": "/v1/customers", "status": 500, "times": 6 });
    app.control("POST", "faults", fault).await;
    let rest = Duration::from_millis(700);
    let client = app
        .app
        .stripe
        .with(Pace::resting(200.try_into().unwrap(), rest));
    let began = Instant::now();
    let stop = CancellationToken::new();
    let importing = import::run(&app.app, &client, &[Kind::Customer], &stop, |_| {});
    let rested = async {
        eventually(|| async { client.rest() }).await;
        let failed = answered(&app, "/v1/customers", 500).await;
        eventually(|| async { client.rest().is_none().then_some(()) }).await;
        failed
    };
    let (report, failed) = tokio::join!(importing, rested);
    let report = report.unwrap();
    assert_eq!(report.errors, Vec::<String>::new());
    assert_eq!(report.read[&Kind::Customer], 3);
    assert_eq!(failed, 5, "it is left alone then");
    assert_eq!(answered(&app, "/v1/customers", 500).await, 6);
    assert!(began.elapsed() >= rest);
}

async fn an_import_goes_on_where_its_last_object_was_deleted(engine: Engine) {
    let app = spawn_app(engine).await;
    let crowd = json!({ "count": 450, "per_second_of_created": 40 });
    app.control("POST", "customers", crowd).await;
    let client = app.app.stripe.at_rate(200.try_into().unwrap());
    let stop = CancellationToken::new();
    let first = import::run(&app.app, &client, &[Kind::Customer], &stop, |_| {
        stop.cancel();
    });
    assert!(first.await.unwrap().is_stopped);
    // Every object after which the next run would go on.
    let store = &app.app.store;
    let kept = store.read(|tx| async move { progress::get(tx, "import customers").await }.boxed());
    let kept: Value = serde_json::from_str(&kept.await.unwrap().unwrap()).unwrap();
    let ranges = kept["ranges"].as_array().unwrap().iter();
    let last: Vec<_> = ranges.filter_map(|range| range["after"].as_str()).collect();
    assert!(!last.is_empty(), "{kept}");
    for id in &last {
        let url = format!("{}/v1/customers/{id}", app.stripe_url);
        let deletion = app.http.delete(url).bearer_auth("sk_test_billhook").send();
        assert_eq!(deletion.await.unwrap().status(), 200);
        // The stand-in still knows where it was.
        let error = json!({ "type": "invalid_request_error", "code": "resource_missing",
            "param": "starting_after", "message": format!("No such customer: '{id}'") });
        let fault = json!({
            "path": "/v1/customers", "match": format!("starting_after={id}"), "status": 400,
            "body": json!({ "error": error }).to_string(),
        });
        app.control("POST", "faults", fault).await;
    }
    let stop = CancellationToken::new();
    let second = import::run(&app.app, &client, &[Kind::Customer], &stop, |_| {});
    let second = second.await.unwrap();
    assert_eq!((second.errors, second.is_stopped), (Vec::new(), false));
    assert_eq!(answered(&app, "/v1/customers", 400).await, last.len());
    let all = crate::contract::dump(store, "customer").await;
    assert_eq!(all.lines().count(), 450, "those that are deleted included");
}

async fn an_import_goes_on_among_the_customers_that_no_page_names(engine: Engine) {
    const GONE: usize = 30;
    let app = spawn_app(engine).await;
    let mut ids = Vec::new();
    for _ in 0..GONE {
        let id = app.customer_at_stripe("ada@example.com").await;
        let url = format!("{}/v1/customers/{id}", app.stripe_url);
        let deletion = app.http.delete(url).bearer_auth("sk_test_billhook").send();
        assert_eq!(deletion.await.unwrap().status(), 200);
        ids.push(id);
    }
    ids.sort();
    let there = async || {
        let all = crate::contract::dump(&app.app.store, "customer").await;
        let has_address = |row: &&str| row.contains("ada@example.com");
        all.lines().filter(has_address).count()
    };
    assert_eq!(there().await, GONE);
    // The last of them is never answered for.
    let last = format!("/v1/customers/{}", ids[GONE - 1]);
    let fault = json!({ "path": last, "hang": true });
    app.control("POST", "faults", fault).await;
    let client = app.app.stripe.at_rate(200.try_into().unwrap());
    let stop = CancellationToken::new();
    let importing = import::run(&app.app, &client, &[Kind::Customer], &stop, |_| {});
    let stopping = async {
        eventually(|| async { (there().await == 1).then_some(()) }).await;
        stop.cancel();
    };
    let (first, ()) = tokio::join!(importing, stopping);
    assert!(first.unwrap().is_stopped);

    app.control("DELETE", "faults", Value::Null).await;
    app.control("DELETE", "requests", Value::Null).await;
    let stop = CancellationToken::new();
    let second = import::run(&app.app, &client, &[Kind::Customer], &stop, |_| {});
    let second = second.await.unwrap();
    assert_eq!((second.errors, second.is_stopped), (Vec::new(), false));
    assert_eq!(second.read[&Kind::Customer], 0);
    assert_eq!(app.stripe_calls().await, [last], "no page is read again");
    assert_eq!(there().await, 0);
}

async fn an_import_of_other_nouns_begins_anew(engine: Engine) {
    let app = spawn_app(engine).await;
    app.control("POST", "customers", json!({ "count": 3 }))
        .await;
    let client = app.app.stripe.at_rate(200.try_into().unwrap());
    // The last is never read where the one before it stops the run.
    let all = [Kind::Customer, Kind::Invoice, Kind::Product];
    let read = async |nouns: &[Kind], stop_at: Option<Kind>| {
        app.control("DELETE", "requests", Value::Null).await;
        let stop = CancellationToken::new();
        let report = import::run(&app.app, &client, nouns, &stop, |progress| {
            if Some(progress.kind) == stop_at {
                stop.cancel();
            }
        });
        let report = report.await.unwrap();
        assert_eq!(report.is_stopped, stop_at.is_some());
        let asked = app.stripe_calls().await;
        let has_customers = asked.iter().any(|path| path == "/v1/customers");
        (report.read[&Kind::Customer], has_customers)
    };
    let early = Some(Kind::Invoice);
    assert_eq!(read(&all, early).await, (3, true), "stopped after them");
    assert_eq!(read(&all, None).await, (3, false), "it goes on");
    assert_eq!(read(&all, None).await, (3, true), "it came to the end");
    assert_eq!(read(&all, early).await, (3, true), "stopped again");
    let customers = [Kind::Customer];
    assert_eq!(read(&customers, None).await, (3, true), "on demand");
    assert_eq!(read(&all, None).await, (3, true), "and all is anew");
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
    execute(
        &app.app.store,
        "UPDATE event SET received_at = 1".to_owned(),
    )
    .await;
}

/// As if the holder had said nothing for so many more seconds.
async fn age_lock(store: &Store, seconds: i64) {
    let sql =
        format!("UPDATE progress SET changed_at = changed_at - {seconds} WHERE name = '{LOCK}'");
    execute(store, sql).await;
}

/// What no part of the program does.
pub async fn execute(store: &Store, sql: String) {
    let sql = sqlx::AssertSqlSafe(sql);
    match store {
        Store::Sqlite { writer, .. } => drop(sqlx::query(sql).execute(writer).await.unwrap()),
        Store::Postgres(pool) => drop(sqlx::query(sql).execute(pool).await.unwrap()),
    }
}

/// Makes an object at the stand-in without telling Billhook, and returns its id.
async fn made(app: &TestApp, list: &str, fields: &[(&str, &str)]) -> String {
    let request = app.http.post(format!("{}/v1/{list}", app.stripe_url));
    let request = request.bearer_auth("sk_test_billhook").form(fields);
    let object: Value = request.send().await.unwrap().json().await.unwrap();
    let id = object["id"].as_str();
    id.unwrap_or_else(|| panic!("{list}: {object}")).to_owned()
}

/// Prices that no list has any more, of which one is known to be deleted and no more than that.
async fn a_subscription_alone_tells_its_prices(engine: Engine) {
    let app = spawn_app(engine).await;
    let email = ("email", "ada@example.com");
    let card = ("payment_method", "pm_card_visa");
    let default = ("invoice_settings[default_payment_method]", "pm_card_visa");
    let customer = made(&app, "customers", &[email, card, default]).await;
    let mut prices = Vec::new();
    for (name, amount) in [("Fern", "1200"), ("Moss", "3400")] {
        let product = made(&app, "products", &[("name", name)]).await;
        let price = [
            ("product", product.as_str()),
            ("currency", "eur"),
            ("unit_amount", amount),
            ("recurring[interval]", "month"),
        ];
        let price = made(&app, "prices", &price).await;
        let item = [("customer", customer.as_str()), ("items[0][price]", &price)];
        made(&app, "subscriptions", &item).await;
        prices.push(price);
    }
    let bare = json!({ "id": prices[1], "object": "price", "deleted": true });
    let deleted = event("price.deleted", 1_700_000_000, bare, Value::Null);
    assert_eq!(app.deliver(&deleted).await.status(), 200);
    let none = json!({ "object": "list", "data": [], "has_more": false, "url": "/v1/prices" });
    let fault = json!({ "path": "/v1/prices", "status": 200, "body": none.to_string() });
    app.control("POST", "faults", fault).await;
    let nouns = [
        Kind::Product,
        Kind::Price,
        Kind::Customer,
        Kind::Subscription,
    ];
    let client = app.app.stripe.at_rate(200.try_into().unwrap());
    let stop = CancellationToken::new();
    let report = import::run(&app.app, &client, &nouns, &stop, |_| {});
    let report = report.await.unwrap();
    assert_eq!(report.errors, Vec::<String>::new());
    assert!(report.read.get(&Kind::Price).is_none_or(|read| *read == 0));
    assert_eq!(report.read[&Kind::Subscription], 2);
    let mut browser = app.signed_in("ada@example.com").await;
    let page = browser.get("/billing").await.text().await.unwrap();
    for words in ["Fern", "€12.00 / month", "Moss", "€34.00 / month"] {
        assert!(page.contains(words), "{words} is missing: {page}");
    }
}
