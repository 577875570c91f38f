//! The list of a customer with three records, as one of few and as one of very many: what a page takes
//! must not grow with the mirror.

use std::time::{Duration, Instant};

use billhook::{say, store::Store};
use sqlx::{AssertSqlSafe, Executor};

use crate::{
    clients::{self, Browser},
    databases::{Database, Engine},
    portal::Running,
};

const SIZES: [usize; 2] = [10_000, 1_000_000];
const CONNECTIONS: usize = 64;
const PAGES: usize = 6_000;
const ADDRESS: &str = "ada@example.com";

pub async fn measure() {
    say(&format!(
        "\n/billing with three records, {CONNECTIONS} connections, client on the same machine:"
    ));
    for (engine, name) in [(Engine::Sqlite, "SQLite"), (Engine::Postgres, "Postgres")] {
        for size in SIZES {
            let Some(database) = Database::new(engine).await else {
                continue;
            };
            one(&database, name, size).await;
        }
    }
}

async fn one(database: &Database, name: &str, size: usize) {
    let store = Store::connect(&database.url).await.expect("a database");
    let began = Instant::now();
    fill(&store, size).await;
    let filled = began.elapsed().as_secs();
    store.close().await;
    let running = Running::start(&database.url, Duration::ZERO).await;
    let mut browser = Browser::new(running.address);
    browser.sign_in(ADDRESS, &running.mails).await;
    let cookies = browser.cookies();
    let (address, path) = (running.address, "/billing");
    // Plans and caches are as they are in use.
    clients::get_all(address, CONNECTIONS, PAGES / 4, path, &cookies).await;
    let alone = clients::get_all(address, 1, PAGES / 12, path, &cookies).await;
    let load = clients::get_all(address, CONNECTIONS, PAGES, path, &cookies).await;
    let up = clients::get_all(address, CONNECTIONS, PAGES * 5, "/up", &cookies).await;
    say(&format!(
        "  {name}, {size} subscriptions (filled in {filled} s): {:.0} pages/s, p50 {:.1} ms, p99 {:.1} ms; \
         one at a time p50 {:.2} ms; /up {:.0}/s",
        load.per_second(),
        load.percentile(0.5),
        load.percentile(0.99),
        alone.percentile(0.5),
        up.per_second(),
    ));
}

/// So many customers, each with a subscription of one item, a payment method and two invoices; three of
/// the customers are Ada's.
async fn fill(store: &Store, size: usize) {
    let series = match store {
        Store::Sqlite { .. } => format!(
            "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {size})"
        ),
        Store::Postgres(_) => {
            format!("WITH series (n) AS (SELECT * FROM generate_series(1, {size}))")
        }
    };
    let middle = size / 2;
    let tables = [
        (
            "product (id, name, active, created, livemode, stripe_at)",
            "'prod_' || n, 'Plan ' || n, 1, 1, 0, 1".to_owned(),
            "WHERE n <= 100",
        ),
        (
            "price (id, product_id, active, currency, unit_amount, interval, created, livemode, stripe_at)",
            "'price_' || n, 'prod_' || n, 1, 'eur', 1200, 'month', 1, 0, 1".to_owned(),
            "WHERE n <= 100",
        ),
        (
            "customer (id, email, email_normalised, name, default_payment_method, delinquent, livemode, created, stripe_at)",
            format!(
                "'cus_' || n, e, e, 'Customer ' || n, 'pm_' || n, 0, 0, n, 1 FROM (SELECT n, CASE WHEN n
                 BETWEEN {middle} AND {middle} + 2 THEN '{ADDRESS}' ELSE 'x' || n || '@example.com' END AS e
                 FROM series) AS addressed"
            ),
            "",
        ),
        (
            "subscription (id, customer_id, status, currency, cancel_at_period_end, created, livemode, stripe_at)",
            "'sub_' || n, 'cus_' || n, 'active', 'eur', 0, n, 0, 1".to_owned(),
            "",
        ),
        (
            "subscription_item (subscription_id, position, id, price_id, product_id, quantity, current_period_end)",
            "'sub_' || n, 0, 'si_' || n, 'price_' || (n % 100 + 1), 'prod_' || (n % 100 + 1), 1, 1900000000"
                .to_owned(),
            "",
        ),
        (
            "payment_method (id, customer_id, type, brand, last4, exp_month, exp_year, created, livemode, stripe_at)",
            "'pm_' || n, 'cus_' || n, 'card', 'visa', '4242', 12, 2030, 1, 0, 1".to_owned(),
            "",
        ),
        (
            "invoice (id, customer_id, subscription_id, status, currency, total, amount_remaining, created, livemode, stripe_at)",
            "'in_' || n, 'cus_' || n, 'sub_' || n, 'paid', 'eur', 1200, 0, n, 0, 1".to_owned(),
            "",
        ),
        (
            "invoice (id, customer_id, subscription_id, status, currency, total, amount_remaining, created, livemode, stripe_at)",
            "'in_second_' || n, 'cus_' || n, 'sub_' || n, 'paid', 'eur', 1200, 0, n + 1, 0, 1"
                .to_owned(),
            "",
        ),
    ];
    for (into, values, which) in tables {
        let from = if values.contains("FROM series") {
            ""
        } else {
            "FROM series"
        };
        let sql = AssertSqlSafe(format!(
            "INSERT INTO {into} {series} SELECT {values} {from} {which}"
        ));
        match store {
            Store::Sqlite { writer, .. } => drop(writer.execute(sql).await.expect("filled")),
            Store::Postgres(pool) => drop(pool.execute(sql).await.expect("filled")),
        }
    }
    let analyze = match store {
        Store::Sqlite { writer, .. } => writer.execute("ANALYZE").await.map(drop),
        Store::Postgres(pool) => pool.execute("VACUUM ANALYZE").await.map(drop),
    };
    analyze.expect("analyzed");
}
