//! Addresses whose known devices were revoked all at once. The table holds no address, only a hash of it for each
//! secret.

use super::{Result, Tx, bulk, on};

/// The mark that valid device cookies carry since the last revocation under any of these hashes of the address.
pub async fn mark(tx: &mut Tx, names: &[&str]) -> Result<Option<String>> {
    let ends: Vec<(String, i64)> = bulk::select(tx, names, |among| {
        format!("SELECT mark, ended_at FROM device_end WHERE name {among}")
    })
    .await?;
    let last = ends.into_iter().max_by_key(|(_, ended_at)| *ended_at);
    Ok(last.map(|(mark, _)| mark))
}

/// Revokes the devices of an address. New device cookies carry `mark`, which is unique to this revocation.
pub async fn end(tx: &mut Tx, name: &str, mark: &str, now: i64) -> Result<()> {
    const SQL: &str = "INSERT INTO device_end (name, mark, ended_at) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET mark = excluded.mark, ended_at = excluded.ended_at";
    on!(tx, connection => sqlx::query(SQL)
        .bind(name)
        .bind(mark)
        .bind(now)
        .execute(connection)
        .await
        .map(drop))
}

/// Deletes revocations before that second, at most `most`. Returns the number of rows deleted.
pub async fn purge(tx: &mut Tx, before: i64, most: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM device_end WHERE name IN
        (SELECT name FROM device_end WHERE ended_at < $1 LIMIT $2)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(before)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
