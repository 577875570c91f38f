//! Mirrored customers. Reads for a visitor take a [`Principal`], which scopes them to the visitor's own rows. Only
//! `domain::sync` writes; it holds the ordering rule.

use sqlx::AssertSqlSafe;

use super::{Principal, Result, Tx, on, row::rows};

rows! {
    /// A row of `customer`. Times are unix seconds.
    Customer in "customer" {
        /// The address as Stripe has it.
        email: Option<String>,
        /// The address as [`crate::domain::email::normalise`] returns it. Verified addresses are compared with it.
        email_normalised: Option<String>,
        name: Option<String>,
        description: Option<String>,
        phone: Option<String>,
        currency: Option<String>,
        /// Stripe's metadata map, as JSON.
        metadata: Option<String>,
        default_payment_method: Option<String>,
        /// A card or source of Stripe's older APIs.
        default_source: Option<String>,
        /// The id of its discount, in a JSON list.
        discounts: Option<String>,
        /// 1 when the newest invoice was not paid.
        delinquent: i64,
        created: i64,
    }
}

/// The customer `id` if it is the principal's.
pub async fn owned(tx: &mut Tx, principal: &Principal, id: &str) -> Result<Option<Customer>> {
    const SQL: &str = "SELECT * FROM customer
        WHERE id = $1 AND email_normalised = $2 AND livemode = $3 AND deleted_at IS NULL";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(id)
        .bind(principal.email())
        .bind(principal.livemode())
        .fetch_optional(connection)
        .await)
}

/// The mode of the mirrored customers, live or test; `None` if there are no customers.
pub async fn livemode(tx: &mut Tx) -> Result<Option<bool>> {
    const SQL: &str = "SELECT CAST(livemode AS BIGINT) FROM customer LIMIT 1";
    let found: Option<i64> = on!(tx, connection => sqlx::query_scalar(SQL)
        .fetch_optional(connection)
        .await)?;
    Ok(found.map(|livemode| livemode != 0))
}

/// Whether a customer of that mode has the address.
pub async fn exists(tx: &mut Tx, email: &str, livemode: bool) -> Result<bool> {
    const SQL: &str = "SELECT id FROM customer
        WHERE email_normalised = $1 AND livemode = $2 AND deleted_at IS NULL LIMIT 1";
    let found: Option<String> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(email)
        .bind(i64::from(livemode))
        .fetch_optional(connection)
        .await)?;
    Ok(found.is_some())
}

/// Counts the customers of that mode that have an address to send mail to, up to `most`.
pub async fn count(tx: &mut Tx, livemode: bool, most: i64) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM (SELECT id FROM customer
        WHERE email_normalised IS NOT NULL AND livemode = $1 AND deleted_at IS NULL LIMIT $2) AS found";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(i64::from(livemode))
        .bind(most)
        .fetch_one(connection)
        .await)
}

/// The ids of all customers with an address, in either mode.
pub async fn ids_of_address(tx: &mut Tx, email: &str) -> Result<Vec<String>> {
    const SQL: &str = "SELECT id FROM customer
        WHERE email_normalised = $1 AND deleted_at IS NULL ORDER BY id";
    on!(tx, connection => sqlx::query_scalar(SQL).bind(email).fetch_all(connection).await)
}

/// The customers with an address, in either mode: the id, and 1 for live mode.
pub async fn of_address(tx: &mut Tx, email: &str) -> Result<Vec<(String, i64)>> {
    const SQL: &str = "SELECT id, CAST(livemode AS BIGINT) FROM customer
        WHERE email_normalised = $1 AND deleted_at IS NULL ORDER BY id";
    on!(tx, connection => sqlx::query_as(SQL).bind(email).fetch_all(connection).await)
}

/// The normalised addresses of these customers.
pub async fn addresses(tx: &mut Tx, ids: &[&str]) -> Result<Vec<String>> {
    Ok(super::row::find_all::<Customer>(tx, ids)
        .await?
        .into_iter()
        .filter_map(|row| row.email_normalised)
        .collect())
}

/// Ids and addresses of customers after `after`, ordered by id, whose address contains characters other than
/// printable ASCII. At most `most`.
pub async fn odd_addresses(tx: &mut Tx, after: &str, most: i64) -> Result<Vec<(String, String)>> {
    // SQLite and Postgres have different pattern operators.
    let is_odd = match tx {
        Tx::Sqlite(_) => "email GLOB '*[^ -~]*'",
        Tx::Postgres(_) => "email ~ '[^ -~]'",
    };
    let sql =
        format!("SELECT id, email FROM customer WHERE id > $1 AND {is_odd} ORDER BY id LIMIT $2");
    on!(tx, connection => sqlx::query_as(AssertSqlSafe(sql))
        .bind(after)
        .bind(most)
        .fetch_all(connection)
        .await)
}

/// Sets a customer's normalised address, unless its address has changed meanwhile.
pub async fn set_normalised(tx: &mut Tx, id: &str, email: &str, normalised: &str) -> Result<()> {
    const SQL: &str = "UPDATE customer SET email_normalised = $3 WHERE id = $1 AND email = $2";
    on!(tx, connection => { sqlx::query(SQL)
        .bind(id)
        .bind(email)
        .bind(normalised)
        .execute(connection)
        .await?; });
    Ok(())
}

/// The ids of customers of that mode that are not deleted, after `after`, ordered by id. At most `most`.
pub async fn ids_after(tx: &mut Tx, after: &str, livemode: bool, most: i64) -> Result<Vec<String>> {
    const SQL: &str = "SELECT id FROM customer
        WHERE id > $1 AND livemode = $2 AND deleted_at IS NULL ORDER BY id LIMIT $3";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(after)
        .bind(i64::from(livemode))
        .bind(most)
        .fetch_all(connection)
        .await)
}

/// Counts the customers of that mode that are not deleted: up to `id`, and after it.
pub async fn counts_around(tx: &mut Tx, id: &str, livemode: bool) -> Result<(i64, i64)> {
    const SQL: &str =
        "SELECT COUNT(CASE WHEN id <= $1 THEN 1 END), COUNT(CASE WHEN id > $1 THEN 1 END)
        FROM customer WHERE livemode = $2 AND deleted_at IS NULL";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(id)
        .bind(i64::from(livemode))
        .fetch_one(connection)
        .await)
}

/// The ids of customers of that mode that are not deleted and were last written before that Stripe second, after
/// `after`, ordered by id. At most `most`.
pub async fn ids_unwritten_since(
    tx: &mut Tx,
    second: i64,
    after: &str,
    livemode: bool,
    most: i64,
) -> Result<Vec<String>> {
    const SQL: &str = "SELECT id FROM customer
        WHERE stripe_at < $1 AND id > $2 AND livemode = $3 AND deleted_at IS NULL
        ORDER BY id LIMIT $4";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(second)
        .bind(after)
        .bind(i64::from(livemode))
        .bind(most)
        .fetch_all(connection)
        .await)
}
