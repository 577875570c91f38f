//! Attempts to prove an inbox. Rows hold hashes only: nothing in a stolen database signs in.

use super::{Result, Tx, on};

/// A row of `sign_in`. Hashes are hex, times unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SignIn {
    pub id: String,
    /// Normalised.
    pub email: String,
    /// SHA-256 of the link's token.
    pub token_hash: String,
    /// HMAC of the code, with a key of the server.
    pub code_hash: String,
    /// SHA-256 of the cookie of the browser that asked.
    pub browser_hash: String,
    /// How many codes were tried.
    pub attempts: i64,
    pub created_at: i64,
    pub expires_at: i64,
    /// Set once it was used, or was not to be used from the start.
    pub used_at: Option<i64>,
}

pub async fn insert(tx: &mut Tx, row: &SignIn) -> Result<()> {
    const SQL: &str = "INSERT INTO sign_in
            (id, email, token_hash, code_hash, browser_hash, attempts, created_at, expires_at, used_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    on!(tx, connection => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.email)
        .bind(&row.token_hash)
        .bind(&row.code_hash)
        .bind(&row.browser_hash)
        .bind(row.attempts)
        .bind(row.created_at)
        .bind(row.expires_at)
        .bind(row.used_at)
        .execute(connection)
        .await
        .map(drop))
}

/// How many sign-ins can still be used that are of this address or were asked for in this browser.
pub async fn count_live(
    tx: &mut Tx,
    email: &str,
    browser_hash: &str,
    now: i64,
    most_tries: i64,
) -> Result<(i64, i64)> {
    const SQL: &str = "SELECT COUNT(CASE WHEN email = $1 THEN 1 END),
            COUNT(CASE WHEN browser_hash = $2 THEN 1 END)
        FROM sign_in
        WHERE (email = $1 OR browser_hash = $2)
          AND expires_at > $3 AND used_at IS NULL AND attempts < $4";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(email)
        .bind(browser_hash)
        .bind(now)
        .bind(most_tries)
        .fetch_one(connection)
        .await)
}

pub async fn by_id(tx: &mut Tx, id: &str) -> Result<Option<SignIn>> {
    const SQL: &str = "SELECT * FROM sign_in WHERE id = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(id).fetch_optional(connection).await)
}

pub async fn by_token(tx: &mut Tx, token_hash: &str) -> Result<Option<SignIn>> {
    const SQL: &str = "SELECT * FROM sign_in WHERE token_hash = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(token_hash).fetch_optional(connection).await)
}

/// The newest sign-in that a browser asked for and that has not expired, used or not.
pub async fn newest_of_browser(
    tx: &mut Tx,
    browser_hash: &str,
    now: i64,
) -> Result<Option<SignIn>> {
    const SQL: &str = "SELECT * FROM sign_in WHERE browser_hash = $1 AND expires_at > $2
        ORDER BY created_at DESC, id DESC LIMIT 1";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(browser_hash)
        .bind(now)
        .fetch_optional(connection)
        .await)
}

/// Counts one try of a code against every live sign-in of a browser, and returns those that had a
/// try left. Callers commit this before they compare, so that no failure gives the try back.
pub async fn count_try(
    tx: &mut Tx,
    browser_hash: &str,
    now: i64,
    most_tries: i64,
) -> Result<Vec<SignIn>> {
    const SQL: &str = "UPDATE sign_in SET attempts = attempts + 1
        WHERE browser_hash = $1 AND expires_at > $2 AND used_at IS NULL AND attempts < $3
        RETURNING *";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(browser_hash)
        .bind(now)
        .bind(most_tries)
        .fetch_all(connection)
        .await)
}

/// Uses the sign-in up, for the browser that asked. Of any number of callers one gets the address.
pub async fn consume(
    tx: &mut Tx,
    id: &str,
    browser_hash: &str,
    now: i64,
) -> Result<Option<String>> {
    const SQL: &str = "UPDATE sign_in SET used_at = $3
        WHERE id = $1 AND browser_hash = $2 AND used_at IS NULL AND expires_at > $3
        RETURNING email";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(id)
        .bind(browser_hash)
        .bind(now)
        .fetch_optional(connection)
        .await)
}

/// Ends every live sign-in of an address: once one has worked, the other mails are waste paper.
pub async fn end_all(tx: &mut Tx, email: &str, now: i64) -> Result<()> {
    const SQL: &str = "UPDATE sign_in SET used_at = $2 WHERE email = $1 AND used_at IS NULL";
    on!(tx, connection => sqlx::query(SQL).bind(email).bind(now).execute(connection).await.map(drop))
}

/// Deletes sign-ins that expired before that second and whose mails are gone, at most so many.
/// Returns how many there were.
pub async fn purge(tx: &mut Tx, before: i64, most: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM sign_in WHERE id IN
        (SELECT id FROM sign_in WHERE expires_at < $1
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.sign_in_id = sign_in.id) LIMIT $2)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(before)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
