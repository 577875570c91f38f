//! Mirrored customers. Reads for a visitor take a [`Principal`]; writes come from `domain::sync`
//! alone, which holds the ordering rule.

use sqlx::AssertSqlSafe;

use super::{Principal, Result, Tx, chunks, on, placeholders};

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
    find_all(tx, &[id])
        .await
        .map(|rows| rows.into_iter().next())
}

/// The rows of these ids, tombstones or not, whoever owns them, in no order.
pub async fn find_all(tx: &mut Tx, ids: &[&str]) -> Result<Vec<Customer>> {
    let mut rows = Vec::with_capacity(ids.len());
    for chunk in chunks(ids) {
        let sql = format!(
            "SELECT * FROM customer WHERE id IN {}",
            placeholders(1, chunk.len())
        );
        rows.extend(on!(tx, connection => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql));
            for id in chunk {
                query = query.bind(*id);
            }
            query.fetch_all(connection).await?
        }));
    }
    Ok(rows)
}

/// Writes the rows as they are given. No id may come twice.
pub async fn put_all(tx: &mut Tx, customers: &[&Customer]) -> Result<()> {
    for chunk in chunks(customers) {
        let sql = format!(
            "INSERT INTO customer
                (id, email, email_normalised, name, description, phone, delinquent, livemode,
                 created, stripe_at, deleted_at)
            VALUES {}
            ON CONFLICT (id) DO UPDATE SET
                email = excluded.email, email_normalised = excluded.email_normalised,
                name = excluded.name, description = excluded.description, phone = excluded.phone,
                delinquent = excluded.delinquent, livemode = excluded.livemode,
                created = excluded.created, stripe_at = excluded.stripe_at,
                deleted_at = excluded.deleted_at",
            placeholders(chunk.len(), 11)
        );
        on!(tx, connection => {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for customer in chunk {
                query = query
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
                    .bind(customer.deleted_at);
            }
            query.execute(connection).await?;
        });
    }
    Ok(())
}
