//! What goes through all nouns, held against the tables that the migrations made: a noun that is left out
//! somewhere is found here.

use std::collections::BTreeSet;

use billhook::{
    domain::{
        erase, import,
        mirror::{Kind, Owner, Source},
        sync::{self, Ours},
    },
    store::Store,
};
use futures::FutureExt;
use serde_json::Value;

use crate::{
    engines::{Engine, on_both_engines},
    helpers::{TestApp, spawn_app},
    operator::said,
    payloads::events_in,
};

on_both_engines!(
    every_mirrored_table_is_a_noun_of_imports_permissions_events_and_erasures,
    every_table_of_a_customer_is_empty_once_they_are_erased,
);

/// Tables of what is for sale.
const FOR_SALE: [&str; 3] = ["coupon", "price", "product"];
/// Tables that no list of Stripe's fills: payment methods come with those who have them, discounts with what they are
/// on, and the key must not read refunds.
const NOT_IMPORTED: [&str; 3] = ["discount", "payment_method", "refund"];

async fn texts(store: &Store, in_sqlite: &'static str, in_postgres: &'static str) -> Vec<String> {
    match store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(in_sqlite).fetch_all(readers).await,
        Store::Postgres(pool) => sqlx::query_scalar(in_postgres).fetch_all(pool).await,
    }
    .unwrap()
}

/// The tables that are mirrored: those with the columns that all of them have.
async fn mirrored(store: &Store) -> BTreeSet<String> {
    const IN_SQLITE: &str = "SELECT tables.name FROM sqlite_master AS tables
        JOIN pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND columns.name = 'stripe_at'";
    const IN_POSTGRES: &str = "SELECT CAST(table_name AS TEXT) FROM information_schema.columns
        WHERE table_schema = current_schema() AND column_name = 'stripe_at'";
    texts(store, IN_SQLITE, IN_POSTGRES)
        .await
        .into_iter()
        .collect()
}

async fn live_rows(store: &Store, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table} WHERE deleted_at IS NULL");
    let sql = sqlx::AssertSqlSafe(sql);
    match store {
        Store::Sqlite { readers, .. } => sqlx::query_scalar(sql).fetch_one(readers).await,
        Store::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
    }
    .unwrap()
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

async fn every_mirrored_table_is_a_noun_of_imports_permissions_events_and_erasures(engine: Engine) {
    let app = spawn_app(engine).await;
    let store = &app.app.store;
    let tables = mirrored(store).await;
    let nouns: BTreeSet<_> = Kind::ALL.map(|kind| kind.about().table.to_owned()).into();
    assert_eq!(nouns, tables);
    assert_eq!(
        Kind::ALL.len(),
        tables.len(),
        "no table is that of two nouns"
    );

    let needs: Value =
        serde_json::from_str(&said(&app, &["doctor", "--needs", "--json"]).await).unwrap();
    let (read, none, events) = (&needs["read"], &needs["none"], &needs["events"]);
    let (read, none, events) = (names(read), names(none), names(events));
    let told: BTreeSet<_> = events_in("today")
        .iter()
        .filter_map(|(_, event)| Kind::of_type(&event.r#type))
        .collect();
    for kind in Kind::ALL {
        let about = kind.about();
        let is_imported = import::nouns().contains(&kind);
        assert_eq!(
            is_imported,
            !NOT_IMPORTED.contains(&about.table),
            "{kind:?}"
        );
        match about.source {
            Source::Inside => {}
            Source::Closed(title) => assert!(none.contains(title), "{kind:?} may not be read"),
            source => assert!(
                read.contains(source.permission().unwrap()),
                "{kind:?} is read"
            ),
        }
        assert!(
            events
                .iter()
                .any(|r#type| Kind::of_type(r#type) == Some(kind)),
            "the endpoint needs events of {kind:?}"
        );
        assert!(
            told.contains(&kind),
            "tests/payloads/today has an event of {kind:?}"
        );
        let is_for_sale = FOR_SALE.contains(&about.table);
        assert_eq!(
            about.owner == Owner::Nobody,
            is_for_sale,
            "{kind:?} is erased with its owner"
        );
    }
    assert!(read.is_disjoint(&none));
    assert_visitors_see_their_own(&app, &tables).await;
}

/// On Postgres a visitor's role sees what is for sale, and of other tables rows by a policy or nothing.
async fn assert_visitors_see_their_own(app: &TestApp, tables: &BTreeSet<String>) {
    const SEEN_WHOLE: &str = "SELECT CAST(relname AS TEXT) FROM pg_class
        WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind = 'r'
            AND has_table_privilege('billhook_customer', oid, 'SELECT')
            AND NOT (relrowsecurity AND relforcerowsecurity)";
    let Store::Postgres(pool) = &app.app.store else {
        return;
    };
    let seen: Vec<String> = sqlx::query_scalar(SEEN_WHOLE)
        .fetch_all(pool)
        .await
        .unwrap();
    let whole: BTreeSet<_> = seen.iter().filter(|name| tables.contains(*name)).collect();
    assert_eq!(whole.into_iter().collect::<Vec<_>>(), FOR_SALE);
}

async fn every_table_of_a_customer_is_empty_once_they_are_erased(engine: Engine) {
    let app = spawn_app(engine).await;
    let store = &app.app.store;
    let is_life = |name: &str| !name.contains("deleted") && !name.contains("without-address");
    let events: Vec<_> = events_in("today")
        .into_iter()
        .filter(|(name, _)| is_life(name))
        .map(|(_, event)| event)
        .collect();
    let again = events.clone();
    let receive = store.write(move |tx| {
        async move { sync::receive(tx, &events, &Ours::default(), 1_900_000_000).await }.boxed()
    });
    receive.await.unwrap();
    let tables = mirrored(store).await;
    let theirs: Vec<_> = tables
        .iter()
        .filter(|table| !FOR_SALE.contains(&table.as_str()))
        .collect();
    for table in &theirs {
        assert!(
            live_rows(store, table).await > 0,
            "{table} has something to erase"
        );
    }
    let found = erase::erase(&app.app, "billing@brandt.example.com")
        .await
        .unwrap();
    assert_eq!(found.customers, ["cus_TestAdaBrandt1"]);
    for table in &theirs {
        assert_eq!(live_rows(store, table).await, 0, "{table}");
    }
    // Nor does it come back: with other ids, as Stripe would tell it.
    let again = again.into_iter().map(|mut event| {
        event.id = format!("{}_again", event.id);
        event
    });
    let again: Vec<_> = again.collect();
    let receive = store.write(move |tx| {
        async move { sync::receive(tx, &again, &Ours::default(), 1_900_000_001).await }.boxed()
    });
    receive.await.unwrap();
    for table in &theirs {
        assert_eq!(live_rows(store, table).await, 0, "{table} came back");
    }
}
