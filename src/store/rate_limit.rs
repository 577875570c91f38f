//! Rate limits that survive a restart: a burst at once, then one after each pause. A row holds the time, in unix
//! milliseconds, at which the whole burst is available again (the generic cell rate algorithm, GCRA).

use super::{Result, Tx, on};

/// A rate limit: `burst` at once, one more after each `pause` in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub burst: i64,
    pub pause: i64,
}

/// Takes one from the allowance `name`. Returns whether one was available.
pub async fn take(tx: &mut Tx, name: &str, now: i64, rate: Rate) -> Result<bool> {
    // A later time than this was written while the clock was wrong, so it is reset. With a pause of 0 there is
    // nothing to reset.
    let latest = match rate.pause {
        0 => i64::MAX,
        // Twice the full time, because the rate limit of mails follows the number of customers.
        pause => now + 2 * rate.burst * pause,
    };
    const SQL: &str = "INSERT INTO allowance (name, full_at)
        VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
        ON CONFLICT (name) DO UPDATE SET full_at =
            (CASE WHEN allowance.full_at > $2 AND allowance.full_at <= $5
                  THEN allowance.full_at ELSE $2 END) + $3
            WHERE allowance.full_at <= CAST($2 AS BIGINT) + CAST($4 AS BIGINT)
               OR allowance.full_at > $5
        RETURNING full_at";
    let taken: Option<i64> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(name)
        .bind(now)
        .bind(rate.pause)
        .bind((rate.burst - 1) * rate.pause)
        .bind(latest)
        .fetch_optional(connection)
        .await)?;
    Ok(taken.is_some())
}

/// Returns one that was taken in the same transaction.
pub async fn give_back(tx: &mut Tx, name: &str, rate: Rate) -> Result<()> {
    const SQL: &str = "UPDATE allowance SET full_at = full_at - $2 WHERE name = $1";
    on!(tx, connection => sqlx::query(SQL)
        .bind(name)
        .bind(rate.pause)
        .execute(connection)
        .await
        .map(drop))
}

/// Renames an allowance, unless the new name exists.
pub async fn rename(tx: &mut Tx, old: &str, new: &str) -> Result<()> {
    const SQL: &str = "UPDATE allowance SET name = $2 WHERE name = $1
        AND NOT EXISTS (SELECT 1 FROM allowance WHERE name = $2)";
    on!(tx, connection => sqlx::query(SQL).bind(old).bind(new).execute(connection).await.map(drop))
}

/// The unix millisecond at which the next one is available, after one was refused.
pub async fn free_at(tx: &mut Tx, name: &str, rate: Rate) -> Result<Option<i64>> {
    const SQL: &str = "SELECT full_at FROM allowance WHERE name = $1";
    let full_at: Option<i64> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(name)
        .fetch_optional(connection)
        .await)?;
    Ok(full_at.map(|full_at| full_at - (rate.burst - 1) * rate.pause))
}

/// Deletes allowances that are full again, at most `most`: a missing row means the same. Returns the number of rows
/// deleted.
pub async fn purge(tx: &mut Tx, now: i64, most: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM allowance WHERE name IN
        (SELECT name FROM allowance WHERE full_at <= $1 LIMIT $2)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(now)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
