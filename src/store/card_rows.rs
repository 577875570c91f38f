//! Reads all rows that a person's cards are built from, in one statement. On SQLite each statement costs two thread
//! switches, on Postgres a round trip; a dozen separate statements took most of the time of a page.

use std::sync::LazyLock;

use serde::Deserialize;
use sqlx::AssertSqlSafe;

use super::{
    Error, Principal, Result, Tx,
    customer::Customer,
    mirror::{Discount, Invoice, PaymentMethod, Price, Product, Subscription, SubscriptionItem},
    row::PlainRow,
};

/// Rows as they are in the tables, in no particular order. Prices and products include tombstones.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Rows {
    pub customers: Vec<Customer>,
    pub subscriptions: Vec<Subscription>,
    pub items: Vec<SubscriptionItem>,
    pub prices: Vec<Price>,
    pub products: Vec<Product>,
    pub methods: Vec<PaymentMethod>,
    /// Discounts that their own events reported and that were not deleted.
    pub discounts: Vec<Discount>,
    /// All open invoices, and the newest of the others that is not a draft.
    pub invoices: Vec<Invoice>,
    /// Customers with a payment in process. A bank transfer may take some days.
    pub in_process: Vec<InProcess>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct InProcess {
    pub customer_id: String,
}

/// The parts of the statement in their order: name, columns, and source. `$1` and `$2` are the principal's address
/// and mode. `$3` is the id of the only customer wanted, or NULL.
fn parts() -> [(&'static str, Vec<&'static str>, &'static str); 9] {
    [
        (
            "customers",
            Customer::COLUMNS.to_vec(),
            "customer WHERE email_normalised = $1 AND livemode = $2 AND deleted_at IS NULL
             AND id = COALESCE($3, id)",
        ),
        (
            "subscriptions",
            Subscription::COLUMNS.to_vec(),
            "subscription WHERE customer_id IN (SELECT id FROM customers) AND deleted_at IS NULL",
        ),
        (
            "items",
            SubscriptionItem::COLUMNS.to_vec(),
            "subscription_item WHERE subscription_id IN (SELECT id FROM subscriptions)",
        ),
        (
            "prices",
            Price::COLUMNS.to_vec(),
            "price WHERE id IN (SELECT price_id FROM items)",
        ),
        (
            "products",
            Product::COLUMNS.to_vec(),
            "product WHERE id IN (SELECT product_id FROM items UNION SELECT product_id FROM prices)",
        ),
        (
            "methods",
            PaymentMethod::COLUMNS.to_vec(),
            "payment_method WHERE id IN (
                SELECT default_payment_method FROM customers
                UNION SELECT default_source FROM customers
                UNION SELECT default_payment_method FROM subscriptions
                UNION SELECT default_source FROM subscriptions)",
        ),
        (
            "discounts",
            Discount::COLUMNS.to_vec(),
            "discount WHERE customer_id IN (SELECT id FROM customers)
             AND seen_at IS NULL AND deleted_at IS NULL",
        ),
        (
            "invoices",
            Invoice::COLUMNS.to_vec(),
            "invoice AS shown WHERE customer_id IN (SELECT id FROM customers) AND deleted_at IS NULL
             AND (status = 'open' OR (COALESCE(status, '') <> 'draft'
               AND NOT EXISTS (SELECT 1 FROM invoice AS newer
                 WHERE newer.customer_id = shown.customer_id AND newer.deleted_at IS NULL
                   AND COALESCE(newer.status, '') NOT IN ('draft', 'open')
                   AND (newer.created, newer.id) > (shown.created, shown.id))))",
        ),
        (
            "in_process",
            vec!["customer_id"],
            "payment_intent WHERE customer_id IN (SELECT id FROM customers)
             AND status = 'processing' AND deleted_at IS NULL",
        ),
    ]
}

/// One JSON object with a list for each part. `list` builds the list of a part from its name and columns.
fn statement(object: &str, list: impl Fn(&str, &[&str]) -> String) -> String {
    let parts = parts();
    let with = parts.iter().map(|(name, columns, source)| {
        let columns = columns.join(", ");
        // Without MATERIALIZED, SQLite would run a part's query once for each part that refers to it.
        format!("{name} AS MATERIALIZED (SELECT {columns} FROM {source})")
    });
    let lists = parts
        .iter()
        .map(|(name, columns, _)| format!("'{name}', {}", list(name, columns)));
    format!(
        "WITH {} SELECT {object}({})",
        with.collect::<Vec<_>>().join(", "),
        lists.collect::<Vec<_>>().join(", ")
    )
}

/// SQLite and Postgres name the JSON functions differently.
static SQLITE: LazyLock<String> = LazyLock::new(|| {
    statement("json_object", |name, columns| {
        let pairs = columns.iter().map(|column| format!("'{column}', {column}"));
        let pairs = pairs.collect::<Vec<_>>().join(", ");
        format!("(SELECT json_group_array(json_object({pairs})) FROM {name})")
    })
});

static POSTGRES: LazyLock<String> = LazyLock::new(|| {
    let made = statement("json_build_object", |name, _| {
        format!("(SELECT COALESCE(json_agg(row_to_json({name})), '[]') FROM {name})")
    });
    format!("SELECT CAST(({made}) AS TEXT)")
});

/// The rows that belong to the principal's customers, or only to the customer `only`.
pub async fn read(tx: &mut Tx, principal: &Principal, only: Option<&str>) -> Result<Rows> {
    let json: String = match tx {
        Tx::Sqlite(tx) => {
            sqlx::query_scalar(AssertSqlSafe(SQLITE.as_str()))
                .bind(principal.email())
                .bind(principal.livemode())
                .bind(only)
                .fetch_one(&mut **tx)
                .await?
        }
        Tx::Postgres(tx) => {
            sqlx::query_scalar(AssertSqlSafe(POSTGRES.as_str()))
                .bind(principal.email())
                .bind(principal.livemode())
                .bind(only)
                .fetch_one(&mut **tx)
                .await?
        }
    };
    let mut rows: Rows =
        serde_json::from_str(&json).map_err(|error| Error::Decode(Box::new(error)))?;
    rows.customers
        .sort_by(|a, b| (b.created, &a.id).cmp(&(a.created, &b.id)));
    rows.subscriptions
        .sort_by(|a, b| (b.created, &a.id).cmp(&(a.created, &b.id)));
    rows.items
        .sort_by(|a, b| (&a.subscription_id, a.position).cmp(&(&b.subscription_id, b.position)));
    rows.discounts
        .sort_by(|a, b| (a.starts_at, &a.id).cmp(&(b.starts_at, &b.id)));
    rows.invoices
        .sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
    Ok(rows)
}
