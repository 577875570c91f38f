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
    const SQL: &str = "INSERT INTO allowance (name, full_at)
        VALUES ($1, CAST($2 AS BIGINT) + CAST($3 AS BIGINT))
        ON CONFLICT (name) DO UPDATE SET full_at =
            (CASE WHEN allowance.full_at > $2 THEN allowance.full_at ELSE $2 END) + $3
            WHERE allowance.full_at <= CAST($2 AS BIGINT) + CAST($4 AS BIGINT)
        RETURNING full_at";
    let taken: Option<i64> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(name)
        .bind(now)
        .bind(rate.pause)
        .bind((rate.burst - 1) * rate.pause)
        .fetch_optional(connection)
        .await)?;
    Ok(taken.is_some())
}

/// Forgets the allowances that are whole again: a missing row says the same.
pub async fn purge(tx: &mut Tx, now: i64) -> Result<()> {
    const SQL: &str = "DELETE FROM allowance WHERE full_at <= $1";
    on!(tx, connection => sqlx::query(SQL).bind(now).execute(connection).await.map(drop))
}
