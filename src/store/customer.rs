//! Mirrored customers. Reads for a visitor take a [`Principal`]; writes come from `domain::sync`
//! alone, which holds the ordering rule.

use super::{Principal, Result, Tx, on};

/// A row of `customer`. Times are unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Customer {
    pub id: String,
    /// As Stripe has it.
    pub email: Option<String>,
    /// As [`crate::domain::email::normalise`] makes it: what a verified address is compared with.
    pub email_normalised: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub phone: Option<String>,
    /// 1 when the newest invoice was not paid.
    pub delinquent: i64,
    pub livemode: i64,
    pub created: i64,
    /// The Stripe second that last wrote this row.
    pub stripe_at: i64,
    /// Set on a tombstone.
    pub deleted_at: Option<i64>,
}

/// Every customer under the principal's address, newest first.
pub async fn list(tx: &mut Tx, principal: &Principal) -> Result<Vec<Customer>> {
    const SQL: &str = "SELECT * FROM customer
        WHERE email_normalised = $1 AND livemode = $2 AND deleted_at IS NULL
        ORDER BY created DESC, id";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(principal.email())
        .bind(principal.livemode())
        .fetch_all(connection)
        .await)
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

/// The row of `id`, tombstone or not, whoever owns it.
pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<Customer>> {
    const SQL: &str = "SELECT * FROM customer WHERE id = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(id).fetch_optional(connection).await)
}

/// Writes the row as it is given.
pub async fn put(tx: &mut Tx, customer: &Customer) -> Result<()> {
    const SQL: &str = "INSERT INTO customer
            (id, email, email_normalised, name, description, phone, delinquent, livemode,
             created, stripe_at, deleted_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (id) DO UPDATE SET
            email = excluded.email, email_normalised = excluded.email_normalised,
            name = excluded.name, description = excluded.description, phone = excluded.phone,
            delinquent = excluded.delinquent, livemode = excluded.livemode,
            created = excluded.created, stripe_at = excluded.stripe_at,
            deleted_at = excluded.deleted_at";
    on!(tx, connection => sqlx::query(SQL)
        .bind(&customer.id)
        .bind(&customer.email)
        .bind(&customer.email_normalised)
        .bind(&customer.name)
        .bind(&customer.description)
        .bind(&customer.phone)
        .bind(customer.delinquent)
        .bind(customer.livemode)
        .bind(customer.created)
        .bind(customer.stripe_at)
        .bind(customer.deleted_at)
        .execute(connection)
        .await
        .map(drop))
}
