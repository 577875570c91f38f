//! Addresses whose known devices were ended at once.

use super::{Result, Tx, on};

/// The mark that devices of the address carry if they were made since its last end.
pub async fn mark(tx: &mut Tx, email: &str) -> Result<Option<String>> {
    const SQL: &str = "SELECT mark FROM device_end WHERE email = $1";
    on!(tx, connection => sqlx::query_scalar(SQL).bind(email).fetch_optional(connection).await)
}

/// Ends the devices of an address. Those that are made from now on carry `mark`, which no other end has.
pub async fn end(tx: &mut Tx, email: &str, mark: &str, now: i64) -> Result<()> {
    const SQL: &str = "INSERT INTO device_end (email, mark, ended_at) VALUES ($1, $2, $3)
        ON CONFLICT (email) DO UPDATE SET mark = excluded.mark, ended_at = excluded.ended_at";
    on!(tx, connection => sqlx::query(SQL)
        .bind(email)
        .bind(mark)
        .bind(now)
        .execute(connection)
        .await
        .map(drop))
}

/// Forgets ends before that second, at most so many. Returns how many there were.
pub async fn purge(tx: &mut Tx, before: i64, most: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM device_end WHERE email IN
        (SELECT email FROM device_end WHERE ended_at < $1 LIMIT $2)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(before)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
