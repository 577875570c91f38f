//! How the database looks up what a page shows. Postgres by an index, whatever the size of the tables, with
//! row-level security as it is, and SQLite without what slows every reader. Every statement of the customer-facing reads is caught as it is sent, and
//! explained as the customer's role.

use std::{
    collections::BTreeSet,
    str::FromStr,
    sync::{Arc, Mutex},
    time::Instant,
};

use billhook::{
    domain::{App, billing},
    model::Flow,
    store::{Principal, Store, customer::Customer, row},
};
use futures::FutureExt;
use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

use crate::{
    engines::{Engine, database_url},
    helpers::{TestApp, event, spawn_app_with},
};

/// `.cargo/config.toml` says what each of them costs.
#[tokio::test]
async fn sqlite_is_built_without_what_slows_every_reader() {
    let url = database_url(Engine::Sqlite).await;
    let store = Store::connect(&url).await.unwrap();
    let Store::Sqlite { readers, .. } = &store else {
        panic!("{url} is not of SQLite");
    };
    let options: Vec<String> = sqlx::query_scalar("PRAGMA compile_options")
        .fetch_all(readers)
        .await
        .unwrap();
    for unwanted in ["ENABLE_STAT4", "ENABLE_MEMORY_MANAGEMENT"] {
        assert!(
            !options.iter().any(|option| option == unwanted),
            "{unwanted}"
        );
    }
    assert!(
        options.contains(&"DEFAULT_MEMSTATUS=0".to_owned()),
        "{options:?}"
    );
    store.close().await;
}

/// The statements that were sent to Postgres.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<String>>>);

impl Sent {
    /// Hears what this thread sends for as long as the guard lives.
    fn listen() -> (Sent, tracing::subscriber::DefaultGuard) {
        let sent = Sent::default();
        let subscriber = tracing_subscriber::registry()
            .with(LevelFilter::DEBUG)
            .with(sent.clone());
        std::sync::LazyLock::force(&crate::portal_faults::OTHERS);
        (sent, tracing::subscriber::set_default(subscriber))
    }

    fn statements(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl<S: Subscriber> Layer<S> for Sent {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut statement = Statement::default();
            event.record(&mut statement);
            self.0.lock().unwrap().push(statement.whole());
        }
    }
}

/// sqlx shortens a long statement in its summary, and then gives the whole beside it.
#[derive(Default)]
struct Statement {
    summary: String,
    whole: String,
}

impl Statement {
    fn whole(self) -> String {
        match self.whole.trim() {
            "" => self.summary,
            whole => whole.to_owned(),
        }
    }
}

impl Visit for Statement {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.clone_into(&mut self.whole),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[tokio::test]
async fn no_read_of_a_customers_scans_a_table() {
    let url = database_url(Engine::Postgres).await;
    let app = spawn_app_with(&url, |_| {}).await;
    fill(&app).await;
    let principal = principal(&app).await;
    let pool = logged(&url).await;
    let reader = App {
        store: Store::Postgres(pool.clone()),
        ..app.app.clone()
    };
    let (sent, heard) = Sent::listen();
    read_everything(&reader, &principal).await;
    drop(heard);
    let statements: BTreeSet<_> = sent.statements().into_iter().collect();
    let reads: Vec<_> = statements
        .iter()
        .filter(|sql| sql.contains("FROM ") && !sql.contains("set_config"))
        // The audit log of a click is written with other rights.
        .filter(|sql| !sql.contains("FROM audit "))
        .collect();
    for table in [
        "customer",
        "subscription",
        "subscription_item",
        "price",
        "product",
        "payment_method",
        "discount",
        "coupon",
        "invoice",
    ] {
        let is_read = |sql: &&&String| sql.contains(&format!("FROM {table} "));
        assert!(
            reads.iter().any(|sql| is_read(&sql)),
            "{table} is not read: {reads:#?}"
        );
    }
    for sql in reads {
        let plan = plan(&pool, sql).await;
        assert_eq!(scans(&plan), Vec::<String>::new(), "{sql}\n{plan:#}");
    }
}

/// Each statement is a round trip.
#[tokio::test]
async fn role_and_claim_are_set_in_one_round_trip() {
    let url = database_url(Engine::Postgres).await;
    let app = spawn_app_with(&url, |_| {}).await;
    fill(&app).await;
    let principal = principal(&app).await;
    let store = Store::Postgres(logged(&url).await);
    let (sent, heard) = Sent::listen();
    let look = store.read_as(&principal, |tx| {
        async move { row::find::<Customer>(tx, "cus_1").await }.boxed()
    });
    assert!(look.await.unwrap().is_some());
    drop(heard);
    let statements = sent.statements();
    let (reads, before): (Vec<_>, Vec<_>) = statements
        .iter()
        .filter(|sql| {
            !["BEGIN", "COMMIT", "ROLLBACK"]
                .iter()
                .any(|word| sql.starts_with(word))
        })
        .partition(|sql| sql.contains("FROM customer "));
    assert_eq!((reads.len(), before.len()), (1, 1), "{statements:#?}");
    for set in ["'role'", "billhook_customer", "billhook.email"] {
        assert!(before[0].contains(set), "{set}: {statements:#?}");
    }
}

/// What is found in the plan of a policy that makes Postgres read the whole table. Without this the test
/// above would pass if nothing could be found.
#[tokio::test]
async fn a_policy_that_scans_is_found() {
    let url = database_url(Engine::Postgres).await;
    let app = spawn_app_with(&url, |_| {}).await;
    fill(&app).await;
    let pool = logged(&url).await;
    for statement in [
        "DROP POLICY of_customer ON subscription",
        "CREATE POLICY of_customer ON subscription FOR SELECT TO billhook_customer
            USING (customer_id IN (SELECT id FROM customer))",
        "DROP POLICY of_customer ON subscription_item",
        "CREATE POLICY of_customer ON subscription_item FOR SELECT TO billhook_customer
            USING (subscription_id IN (SELECT id FROM subscription))",
    ] {
        pool.execute(statement).await.unwrap();
    }
    let sql = "SELECT * FROM subscription_item WHERE subscription_id = ANY($1)";
    let plan = plan(&pool, sql).await;
    assert_eq!(scans(&plan).len(), 1, "{plan:#}");
}

/// One of everything that a card is made of.
async fn fill(app: &TestApp) {
    let item = json!({
        "id": "si_1", "object": "subscription_item", "quantity": 1, "discounts": ["di_2"],
        "price": {
            "id": "price_1", "object": "price", "product": "prod_1", "currency": "eur",
            "unit_amount": 1200, "recurring": { "interval": "month" },
        },
        "current_period_end": 1_900_000_000,
    });
    let coupon =
        json!({ "id": "half", "object": "coupon", "percent_off": 50, "duration": "forever" });
    let discount = json!({
        "id": "di_1", "object": "discount", "customer": "cus_1", "start": 1,
        "source": { "type": "coupon", "coupon": coupon },
    });
    for (r#type, object) in [
        (
            "customer.created",
            json!({
                "id": "cus_1", "object": "customer", "email": "ada@example.com", "created": 1,
                "invoice_settings": { "default_payment_method": "pm_unknown" },
            }),
        ),
        (
            "customer.subscription.created",
            json!({
                "id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active",
                "created": 1, "default_payment_method": "pm_1", "discounts": [discount],
                "items": { "data": [item] },
            }),
        ),
        (
            "product.created",
            json!({ "id": "prod_1", "object": "product", "name": "Team" }),
        ),
        (
            "payment_method.attached",
            json!({
                "id": "pm_1", "object": "payment_method", "customer": "cus_1", "type": "card",
                "card": { "brand": "visa", "last4": "4242" },
            }),
        ),
        (
            "invoice.finalized",
            json!({
                "id": "in_1", "object": "invoice", "customer": "cus_1", "status": "open", "created": 1,
            }),
        ),
    ] {
        let posted = event(r#type, 1_700_000_000, object, Value::Null);
        assert_eq!(app.deliver(&posted).await.status(), 200, "{type}");
    }
}

async fn principal(app: &TestApp) -> Principal {
    let row = billhook::domain::session::new("ada@example.com".to_owned(), "", app.clock.now());
    let limits = billhook::domain::session::limits(&app.app, app.clock.now());
    let made = app.app.store.write(move |tx| {
        async move {
            billhook::store::session::insert(tx, &row).await?;
            billhook::store::session::principal(tx, &row.id, limits, false).await
        }
        .boxed()
    });
    made.await.unwrap().unwrap().0
}

/// All that is read of the mirror with a customer's rights.
async fn read_everything(app: &App, principal: &Principal) {
    assert_eq!(billing::customers(app, principal).await.unwrap().len(), 1);
    billing::news(app, principal, "1 cus_1").await.unwrap();
    // Stripe is not there for these, which is not what is looked at.
    let flow = Flow::Cancel("sub_1".to_owned());
    let now = Instant::now();
    let _ = billing::open_portal(app, principal, "cus_1", flow, "auto", "", now).await;
    let _ = billing::open_invoice(app, principal, "cus_1", "in_1", "auto", "", now).await;
}

/// Connections as the program has them, whose statements are logged.
async fn logged(url: &str) -> PgPool {
    let options = PgConnectOptions::from_str(url).unwrap();
    PgPoolOptions::new()
        .max_connections(4)
        .after_connect(|connection, _| {
            async move {
                connection
                    .execute("SET enable_seqscan = off; SET jit = off")
                    .await
                    .map(drop)
            }
            .boxed()
        })
        .connect_with(options.log_statements(tracing::log::LevelFilter::Debug))
        .await
        .unwrap()
}

/// The plan of a statement with parameters, for any values of them, as the customer's role.
async fn plan(pool: &PgPool, sql: &str) -> Value {
    let mut tx = pool.begin().await.unwrap();
    for statement in [
        "SET LOCAL plan_cache_mode = force_generic_plan".to_owned(),
        "SELECT set_config('role', 'billhook_customer', true),
            set_config('billhook.email', 'ada@example.com', true)"
            .to_owned(),
        format!("PREPARE explained AS {sql}"),
    ] {
        tx.execute(sqlx::raw_sql(AssertSqlSafe(statement)))
            .await
            .unwrap();
    }
    let types = "SELECT unnest(parameter_types)::TEXT FROM pg_prepared_statements
        WHERE name = 'explained'";
    let types: Vec<String> = sqlx::query_scalar(types).fetch_all(&mut *tx).await.unwrap();
    let values: Vec<_> = types
        .iter()
        .map(|r#type| match r#type.as_str() {
            "text[]" => "ARRAY['x']",
            "bigint" => "1",
            _ => "'x'",
        })
        .collect();
    let values = match values.as_slice() {
        [] => String::new(),
        values => format!("({})", values.join(", ")),
    };
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE explained{values}");
    let explained = sqlx::raw_sql(AssertSqlSafe(explain));
    let row = tx.fetch_one(explained).await.unwrap();
    let plan: Value = row.get(0);
    tx.execute("DEALLOCATE explained").await.unwrap();
    plan
}

/// The parts of a plan that read a table from end to end.
fn scans(plan: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut nodes = vec![plan];
    while let Some(node) = nodes.pop() {
        match node {
            Value::Array(list) => nodes.extend(list),
            Value::Object(map) => {
                nodes.extend(map.values());
                let r#type = map
                    .get("Node Type")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let is_whole = r#type == "Seq Scan"
                    || r#type.starts_with("Index") && !map.contains_key("Index Cond");
                if is_whole || r#type == "Bitmap Index Scan" && !map.contains_key("Index Cond") {
                    found.push(format!(
                        "{type} on {}",
                        map.get("Relation Name").unwrap_or(&Value::Null)
                    ));
                }
            }
            _ => {}
        }
    }
    found
}
