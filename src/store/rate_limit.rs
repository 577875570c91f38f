//! Allowances that outlive a restart: so many at once, and then one after each pause. A row holds
//! the moment at which the whole allowance is there again (the generic cell rate algorithm), in unix
//! milliseconds.

use super::{Result, Tx, on};

/// An allowance: `burst` at once, one more after each `pause`, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub burst: i64,
    pub pause: i64,
}

/// Takes one from the allowance `name`, if there is one. Whether there was.
pub async fn take(tx: &mut Tx, name: &str, now: i64, rate: Rate) -> Result<bool> {
    // Beyond it is only what was taken while the clock was wrong. Where nothing is taken, nothing is mended.
    let latest = match rate.pause {
        0 => i64::MAX,
        // Twice as far, since the limit of mails follows the number of customers.
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

/// Gives one back that was taken in the same transaction.
pub async fn give_back(tx: &mut Tx, name: &str, rate: Rate) -> Result<()> {
    const SQL: &str = "UPDATE allowance SET full_at = full_at - $2 WHERE name = $1";
    on!(tx, connection => sqlx::query(SQL)
        .bind(name)
        .bind(rate.pause)
        .execute(connection)
        .await
        .map(drop))
}

/// Gives an allowance another name, if none has that yet.
pub async fn rename(tx: &mut Tx, old: &str, new: &str) -> Result<()> {
    const SQL: &str = "UPDATE allowance SET name = $2 WHERE name = $1
        AND NOT EXISTS (SELECT 1 FROM allowance WHERE name = $2)";
    on!(tx, connection => sqlx::query(SQL).bind(old).bind(new).execute(connection).await.map(drop))
}

/// The millisecond from which on there is one again, after one was refused.
pub async fn free_at(tx: &mut Tx, name: &str, rate: Rate) -> Result<Option<i64>> {
    const SQL: &str = "SELECT full_at FROM allowance WHERE name = $1";
    let full_at: Option<i64> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(name)
        .fetch_optional(connection)
        .await)?;
    Ok(full_at.map(|full_at| full_at - (rate.burst - 1) * rate.pause))
}

/// Forgets the allowances that are whole again, at most so many: a missing row says the same. Returns
/// how many there were.
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
