//! A key-value table: progress of import and sweep, leases, and other small values by name.

use super::{Result, Tx, on};

/// Prefix of the names of values about the mails of an address.
pub const MAILS: &str = "mails:";

/// The value of the name.
pub async fn get(tx: &mut Tx, name: &str) -> Result<Option<String>> {
    const SQL: &str = "SELECT value FROM progress WHERE name = $1";
    on!(tx, connection => sqlx::query_scalar(SQL).bind(name).fetch_optional(connection).await)
}

/// The value of the name, if it was set at `since` or later.
pub async fn get_since(tx: &mut Tx, name: &str, since: i64) -> Result<Option<String>> {
    const SQL: &str = "SELECT value FROM progress WHERE name = $1 AND changed_at >= $2";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(name)
        .bind(since)
        .fetch_optional(connection)
        .await)
}

/// Sets the value of the name.
pub async fn set(tx: &mut Tx, name: &str, value: &str, now: i64) -> Result<()> {
    const SQL: &str = "INSERT INTO progress (name, value, changed_at) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at";
    on!(tx, connection => { sqlx::query(SQL)
        .bind(name)
        .bind(value)
        .bind(now)
        .execute(connection)
        .await?; });
    Ok(())
}

/// Deletes the value of the name.
pub async fn forget(tx: &mut Tx, name: &str) -> Result<()> {
    const SQL: &str = "DELETE FROM progress WHERE name = $1";
    on!(tx, connection => { sqlx::query(SQL).bind(name).execute(connection).await?; });
    Ok(())
}

/// Leases the name to the holder. Returns `false` while another holder has the lease: it has not released it and
/// has renewed it within the last `lost` seconds. Holders run on different machines, so the database's clock counts
/// and not theirs.
pub async fn claim(tx: &mut Tx, name: &str, holder: &str, lost: i64) -> Result<bool> {
    const SQL: &str = "INSERT INTO progress (name, value, changed_at) VALUES ($1, $2, $4)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at
        WHERE progress.changed_at <= excluded.changed_at - $3
        RETURNING changed_at";
    let now = tx.clock().await?;
    let claimed: Option<i64> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(name)
        .bind(holder)
        .bind(lost)
        .bind(now)
        .fetch_optional(connection)
        .await?);
    Ok(claimed.is_some())
}

/// Renews the lease, if the holder still has it.
pub async fn sign(tx: &mut Tx, name: &str, holder: &str) -> Result<bool> {
    const SQL: &str = "UPDATE progress SET changed_at = $3 WHERE name = $1 AND value = $2";
    let now = tx.clock().await?;
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(name)
        .bind(holder)
        .bind(now)
        .execute(connection)
        .await?
        .rows_affected())
        > 0)
}

/// Releases the lease, if the holder still has it.
pub async fn release(tx: &mut Tx, name: &str, holder: &str) -> Result<bool> {
    const SQL: &str = "DELETE FROM progress WHERE name = $1 AND value = $2";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(name)
        .bind(holder)
        .execute(connection)
        .await?
        .rows_affected())
        > 0)
}

/// Deletes values about mails from before that second, for at most `most` addresses. Returns the number of rows
/// deleted.
pub async fn purge_mails(tx: &mut Tx, before: i64, most: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM progress WHERE name IN
        (SELECT name FROM progress WHERE name LIKE 'mails:%' AND changed_at < $1 LIMIT $2)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(before)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
