//! How far import and sweep have come, and other small things to remember by name.

use super::{Result, Tx, on};

/// What the names begin with under which the mails of addresses are kept.
pub const MAILS: &str = "mails:";

/// What was last kept under the name.
pub async fn get(tx: &mut Tx, name: &str) -> Result<Option<String>> {
    const SQL: &str = "SELECT value FROM progress WHERE name = $1";
    on!(tx, connection => sqlx::query_scalar(SQL).bind(name).fetch_optional(connection).await)
}

/// What was last kept under the name, if that was at `since` or later.
pub async fn get_since(tx: &mut Tx, name: &str, since: i64) -> Result<Option<String>> {
    const SQL: &str = "SELECT value FROM progress WHERE name = $1 AND changed_at >= $2";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(name)
        .bind(since)
        .fetch_optional(connection)
        .await)
}

/// Keeps a value under the name.
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

/// Forgets what was kept under the name.
pub async fn forget(tx: &mut Tx, name: &str) -> Result<()> {
    const SQL: &str = "DELETE FROM progress WHERE name = $1";
    on!(tx, connection => { sqlx::query(SQL).bind(name).execute(connection).await?; });
    Ok(())
}

/// Makes the name the holder's; `false` while it is another's, who has not let go and has signed in
/// the last `lost` seconds. Whoever claims and signs does so from a machine of its own, so the
/// database's clock counts and none of theirs.
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

/// Says that the name is still held by the holder, if it is.
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

/// Gives the name back, if it is still the holder's.
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

/// Forgets what was kept about mails before that second, at most so many addresses. Returns how many there were.
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
