//! Retries of a used sign-in (idempotent): for a short time the same browser gets the same session again.

use super::{
    super::{Result, Tx, on},
    SignIn,
};
use crate::mask::shows;

/// A sign-in that created a session.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Used {
    pub email: String,
    pub session_id: String,
    pub used_at: i64,
}

shows!(Used: session_id, used_at);

/// Records which session the sign-in created.
pub async fn gave(tx: &mut Tx, id: &str, session: &str) -> Result<()> {
    const SQL: &str = "UPDATE sign_in SET session_id = $2 WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL)
        .bind(id)
        .bind(session)
        .execute(connection)
        .await
        .map(drop))
}

/// The sign-in, if this browser used it after that second.
pub async fn used(tx: &mut Tx, id: &str, browser_hash: &str, after: i64) -> Result<Option<Used>> {
    const SQL: &str = "SELECT email, session_id, used_at FROM sign_in
        WHERE id = $1 AND browser_hash = $2 AND used_at > $3 AND session_id IS NOT NULL";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(id)
        .bind(browser_hash)
        .bind(after)
        .fetch_optional(connection)
        .await)
}

/// The sign-ins that a browser used after that second, with fewer than `most_tries` codes tried.
pub async fn all_used(
    tx: &mut Tx,
    browser_hash: &str,
    after: i64,
    most_tries: i64,
) -> Result<Vec<SignIn>> {
    const SQL: &str = "SELECT * FROM sign_in
        WHERE browser_hash = $1 AND used_at > $2 AND session_id IS NOT NULL AND attempts < $3";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(browser_hash)
        .bind(after)
        .bind(most_tries)
        .fetch_all(connection)
        .await)
}

/// Counts one attempt against each used sign-in of the browser after that second.
pub async fn count_try_again(tx: &mut Tx, browser_hash: &str, after: i64) -> Result<()> {
    const SQL: &str = "UPDATE sign_in SET attempts = attempts + 1
        WHERE browser_hash = $1 AND used_at > $2 AND session_id IS NOT NULL";
    on!(tx, connection => sqlx::query(SQL)
        .bind(browser_hash)
        .bind(after)
        .execute(connection)
        .await
        .map(drop))
}
