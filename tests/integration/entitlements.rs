//! Entitlements, which Stripe lists of one customer at a time.

use std::num::NonZeroU32;

use billhook::{
    domain::{import, mirror::Kind},
    store::{mirror::EntitlementSummary, row},
};
use futures::FutureExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, spawn_app},
};

on_both_engines!(an_import_reads_the_entitlements_of_every_customer);

async fn post(app: &TestApp, path: &str, form: &[(&str, &str)]) -> Value {
    let url = format!("{}/v1/{path}", app.stripe_url);
    let post = app.http.post(url).bearer_auth("sk_test_billhook");
    let answer = post.form(form).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

async fn import_them(app: &TestApp, stop: &CancellationToken) -> import::Report {
    let client = app.app.stripe.at_rate(NonZeroU32::new(500).unwrap());
    let nouns = [Kind::Customer, Kind::EntitlementSummary];
    let report = import::run(&app.app, &client, &nouns, stop, |progress| {
        if progress.kind == Kind::EntitlementSummary {
            stop.cancel();
        }
    });
    report.await.unwrap()
}

async fn keys(app: &TestApp, customer: &str) -> Option<String> {
    let customer = customer.to_owned();
    let found = app
        .app
        .store
        .read(|tx| async move { row::find::<EntitlementSummary>(tx, &customer).await }.boxed());
    found.await.unwrap().map(|row| row.lookup_keys)
}

async fn an_import_reads_the_entitlements_of_every_customer(engine: Engine) {
    let app = spawn_app(engine).await;
    let mut customers = Vec::new();
    for _ in 0..120 {
        let customer = post(&app, "customers", &[("email", "ada@example.com")]).await;
        customers.push(customer["id"].as_str().unwrap().to_owned());
    }
    customers.sort();
    // An account without features is asked for nothing more.
    let none = import_them(&app, &CancellationToken::new()).await;
    assert_eq!(none.read[&Kind::EntitlementSummary], 0);
    let asked = app.stripe_calls().await;
    assert!(
        !asked
            .iter()
            .any(|path| path.contains("active_entitlements"))
    );

    let product = post(&app, "products", &[("name", "Team")]).await;
    let product = product["id"].as_str().unwrap();
    let price = [
        ("product", product),
        ("currency", "eur"),
        ("unit_amount", "1200"),
        ("recurring[interval]", "month"),
    ];
    let price = post(&app, "prices", &price).await;
    for key in ["search", "export"] {
        let form = [("lookup_key", key), ("name", "A feature")];
        let feature = post(&app, "entitlements/features", &form).await;
        let form = [("entitlement_feature", feature["id"].as_str().unwrap())];
        post(&app, &format!("products/{product}/features"), &form).await;
    }
    let entitled = &customers[110];
    let form = [
        ("customer", entitled.as_str()),
        ("items[0][price]", price["id"].as_str().unwrap()),
        ("trial_period_days", "7"),
    ];
    post(&app, "subscriptions", &form).await;
    // That of one customer cannot be read, and is named; the others are read all the same.
    let fault = json!({
        "path": "/v1/entitlements/active_entitlements", "status": 400, "times": 1,
    });
    app.control("POST", "faults", fault).await;

    let first = import_them(&app, &CancellationToken::new()).await;
    assert!(first.is_stopped);
    assert_eq!(first.read[&Kind::EntitlementSummary], 100);
    assert_eq!(first.errors.len(), 1, "{:?}", first.errors);
    assert!(first.errors[0].starts_with("entitlements of cus_"));
    assert_eq!(keys(&app, entitled).await, None);
    let second = import_them(&app, &CancellationToken::new()).await;
    assert_eq!(second.read[&Kind::EntitlementSummary], 120);
    assert_eq!(second.errors, Vec::<String>::new());
    let expected = r#"["export","search"]"#;
    assert_eq!(keys(&app, entitled).await.as_deref(), Some(expected));
    assert_eq!(keys(&app, &customers[50]).await.as_deref(), Some("[]"));
}
