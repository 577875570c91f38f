//! Signed-in browsers, and the only way to a [`Principal`].

use super::{Result, Tx, on};

/// Who this request is: a verified address with a live session. There is no other way to make one
/// than [`principal`], which reads the session, so a function that takes a `Principal` cannot be
/// called for somebody who is not signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    email: String,
    session: String,
    livemode: bool,
}

impl Principal {
    /// The verified address, normalised.
    pub fn email(&self) -> &str {
        &self.email
    }

    pub fn session(&self) -> &str {
        &self.session
    }

    /// Which of Stripe's two worlds is served: 1 live, 0 test.
    pub fn livemode(&self) -> i64 {
        self.livemode.into()
    }
}

/// A row of `session`. Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Session {
    pub id: String,
    pub email: String,
    /// Which refresh token is the present one, counted from 1.
    pub generation: i64,
    /// The newest generation that has come back from the browser.
    pub seen_generation: i64,
    /// When `generation` last grew.
    pub rotated_at: i64,
    pub created_at: i64,
    pub ended_at: Option<i64>,
}

pub async fn insert(tx: &mut Tx, row: &Session) -> Result<()> {
    const SQL: &str = "INSERT INTO session
            (id, email, generation, seen_generation, rotated_at, created_at, ended_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    on!(tx, connection => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.email)
        .bind(row.generation)
        .bind(row.seen_generation)
        .bind(row.rotated_at)
        .bind(row.created_at)
        .bind(row.ended_at)
        .execute(connection)
        .await
        .map(drop))
}

pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<Session>> {
    const SQL: &str = "SELECT * FROM session WHERE id = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(id).fetch_optional(connection).await)
}

/// The principal of a session that has not ended and began after `began_after`.
pub async fn principal(
    tx: &mut Tx,
    id: &str,
    began_after: i64,
    livemode: bool,
) -> Result<Option<(Principal, Session)>> {
    let session = find(tx, id).await?;
    Ok(session
        .filter(|row| row.ended_at.is_none() && row.created_at > began_after)
        .map(|row| {
            (
                Principal {
                    email: row.email.clone(),
                    session: row.id.clone(),
                    livemode,
                },
                row,
            )
        }))
}

/// Moves the session from `generation` to the next. False when another request was faster.
pub async fn rotate(tx: &mut Tx, id: &str, generation: i64, now: i64) -> Result<bool> {
    const SQL: &str = "UPDATE session SET generation = generation + 1, rotated_at = $3
        WHERE id = $1 AND generation = $2 AND ended_at IS NULL";
    let rows = on!(tx, connection => sqlx::query(SQL)
        .bind(id)
        .bind(generation)
        .bind(now)
        .execute(connection)
        .await?
        .rows_affected());
    Ok(rows == 1)
}

/// Records that tokens of `generation` have come back from the browser.
pub async fn seen(tx: &mut Tx, id: &str, generation: i64) -> Result<()> {
    const SQL: &str = "UPDATE session SET seen_generation = $2
        WHERE id = $1 AND seen_generation < $2";
    on!(tx, connection => sqlx::query(SQL)
        .bind(id)
        .bind(generation)
        .execute(connection)
        .await
        .map(drop))
}

pub async fn end(tx: &mut Tx, id: &str, now: i64) -> Result<()> {
    const SQL: &str = "UPDATE session SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
    on!(tx, connection => sqlx::query(SQL).bind(id).bind(now).execute(connection).await.map(drop))
}

/// Deletes sessions that ended before that second, or would have at the latest after `lifetime`
/// seconds; at most so many. Returns how many there were.
pub async fn purge(tx: &mut Tx, before: i64, lifetime: i64, most: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM session WHERE id IN
        (SELECT id FROM session WHERE COALESCE(ended_at, created_at + $2) < $1 LIMIT $3)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(before)
        .bind(lifetime)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
