//! Addresses in links, and in rows of earlier versions.

use billhook::store::{self, Store};
use futures::FutureExt;
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::{
    engines::{Engine, database_url, on_both_engines},
    helpers::{TestApp, customer_object, event, spawn_app, spawn_app_with},
};

on_both_engines!(
    a_link_to_the_form_keeps_the_plus_of_an_address,
    addresses_of_an_earlier_version_are_normalised_at_the_start,
);

async fn a_link_to_the_form_keeps_the_plus_of_an_address(engine: Engine) {
    let app = spawn_app(engine).await;
    for query in [
        "ada+tag@example.com",
        "ada%2Btag@example.com",
        "ada%2Btag%40example.com",
    ] {
        let page = app.browser().get(&format!("/?email={query}")).await;
        let page = page.text().await.unwrap();
        assert!(
            page.contains("value=\"ada+tag@example.com\""),
            "{query}: {page}"
        );
    }
}

async fn execute(store: &Store, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    match store {
        Store::Sqlite { writer, .. } => sqlx::raw_sql(sql).execute(writer).await.map(|_| ()),
        Store::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await.map(|_| ()),
    }
    .unwrap();
}

async fn is_known(app: &TestApp, address: &str) -> bool {
    let address = address.to_owned();
    let found = app
        .app
        .store
        .read(move |tx| async move { store::customer::exists(tx, &address, false).await }.boxed());
    found.await.unwrap()
}

/// What the first version kept, which only lowered the letters.
async fn addresses_of_an_earlier_version_are_normalised_at_the_start(engine: Engine) {
    let url = database_url(engine).await;
    let old = [
        ("cus_1", "\u{200b}bob@example.com", "bob@example.com"),
        (
            "cus_2",
            "jule@b\u{fc}cher.example",
            "jule@xn--bcher-kva.example",
        ),
        ("cus_3", "ada@example.com", "ada@example.com"),
    ];
    {
        let app = spawn_app_with(&url, |_| {}).await;
        for (id, address, _) in old {
            let object = customer_object(id, address, id);
            let posted = event("customer.created", 1_700_000_000, object, Value::Null);
            assert_eq!(app.deliver(&posted).await.status(), 200);
            let back =
                format!("UPDATE customer SET email_normalised = '{address}' WHERE id = '{id}'");
            execute(&app.app.store, &back).await;
        }
        let undone = "UPDATE progress SET value = '1' WHERE name = 'addresses normalised'";
        execute(&app.app.store, undone).await;
        assert!(!is_known(&app, "bob@example.com").await);
    }
    let app = spawn_app_with(&url, |_| {}).await;
    for (_, _, address) in old {
        assert!(is_known(&app, address).await, "{address}");
    }
    let mut browser = app.signed_in("bob@example.com").await;
    let page = browser.get("/billing").await.text().await.unwrap();
    assert!(page.contains("cus_1") && !page.contains("cus_2"), "{page}");
}
