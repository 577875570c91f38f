//! Sessions of signed-in browsers, and the only way to get a [`Principal`].

use super::{
    Result, Tx,
    bulk::{self, Cell},
    on,
    words::words,
};
use crate::mask::shows;

/// The authenticated user of a request: a verified address with a live session. Only [`principal`] creates one, and
/// it reads the session. So a function that takes a `Principal` cannot be called without a signed-in user.
#[derive(Clone, PartialEq, Eq)]
pub struct Principal {
    email: String,
    session: String,
    livemode: bool,
}

shows!(Principal: session, livemode);

impl Principal {
    /// The verified address, normalised.
    pub fn email(&self) -> &str {
        &self.email
    }

    pub fn session(&self) -> &str {
        &self.session
    }

    /// The Stripe mode that is served: 1 live, 0 test.
    pub fn livemode(&self) -> i64 {
        self.livemode.into()
    }
}

/// A row of `session`. Times are unix seconds.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Session {
    pub id: String,
    pub email: String,
    /// The current refresh token's generation, counted from 1.
    pub generation: i64,
    /// The generation from which the current one was made. Generations between the two never reached the browser.
    pub parent_generation: i64,
    /// The newest generation that the browser has sent back.
    pub seen_generation: i64,
    /// When the refresh token was last rotated.
    pub rotated_at: i64,
    /// When the browser was last active, to the minute.
    pub active_at: i64,
    pub created_at: i64,
    pub ended_at: Option<i64>,
    /// The browser in words, or empty.
    pub browser: String,
}

shows!(
    Session: id, generation, parent_generation, seen_generation, rotated_at, active_at, created_at,
    ended_at, browser
);

words! {
    /// Why a session ended, as shown to its owner.
    pub enum Why {
        /// Its own browser signed out or signed in again.
        Here = "here",
        /// Another browser of the same address signed it out.
        Elsewhere = "elsewhere",
        /// The operator ended it.
        Operator = "operator",
        /// The idle timeout passed.
        Idle = "idle",
        /// It reached the maximum age of a session.
        Age = "age",
        /// A refresh token was reused, which means that it was copied.
        Copied = "copied",
        /// The address has no customer any more.
        NoCustomer = "no-customer",
    }
}

/// A session that has ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Ended {
    pub email: String,
    /// `None` if the reason is not known.
    pub why: Option<Why>,
    /// When it ended or expired.
    pub at: i64,
}

shows!(Ended: why);

/// A session is live if it began after the first time and was used after the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub began_after: i64,
    pub active_after: i64,
}

pub async fn insert(tx: &mut Tx, row: &Session) -> Result<()> {
    const SQL: &str = "INSERT INTO session
            (id, email, generation, parent_generation, seen_generation, rotated_at, active_at,
             created_at, ended_at, browser)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    on!(tx, connection => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.email)
        .bind(row.generation)
        .bind(row.parent_generation)
        .bind(row.seen_generation)
        .bind(row.rotated_at)
        .bind(row.active_at)
        .bind(row.created_at)
        .bind(row.ended_at)
        .bind(&row.browser)
        .execute(connection)
        .await
        .map(drop))
}

pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<Session>> {
    const SQL: &str = "SELECT * FROM session WHERE id = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(id).fetch_optional(connection).await)
}

/// The principal of a session, if it has not ended and is within its limits.
pub async fn principal(
    tx: &mut Tx,
    id: &str,
    limits: Limits,
    livemode: bool,
) -> Result<Option<(Principal, Session)>> {
    let session = find(tx, id).await?;
    let is_live = |row: &Session| {
        row.ended_at.is_none()
            && row.created_at > limits.began_after
            && row.active_at > limits.active_after
    };
    Ok(session.filter(is_live).map(|row| {
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

/// Rotates the refresh token: moves the session from `generation` to the next, which is made from `parent`. Returns
/// false if a concurrent request did so first.
pub async fn rotate(tx: &mut Tx, id: &str, generation: i64, parent: i64, now: i64) -> Result<bool> {
    const SQL: &str = "UPDATE session
        SET generation = generation + 1, parent_generation = $3, rotated_at = $4
        WHERE id = $1 AND generation = $2 AND ended_at IS NULL";
    let rows = on!(tx, connection => sqlx::query(SQL)
        .bind(id)
        .bind(generation)
        .bind(parent)
        .bind(now)
        .execute(connection)
        .await?
        .rows_affected());
    Ok(rows == 1)
}

/// Records that the browser has sent tokens of `generation`, now.
pub async fn seen(tx: &mut Tx, id: &str, generation: i64, now: i64) -> Result<()> {
    const SQL: &str = "UPDATE session
        SET seen_generation = CASE WHEN seen_generation < $2 THEN $2 ELSE seen_generation END,
            active_at = CASE WHEN active_at < $3 THEN $3 ELSE active_at END
        WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL)
        .bind(id)
        .bind(generation)
        .bind(now)
        .execute(connection)
        .await
        .map(drop))
}

/// Ends a session at the request of its own browser.
pub async fn end(tx: &mut Tx, id: &str, now: i64) -> Result<()> {
    end_for(tx, id, Why::Here, now).await
}

pub async fn end_for(tx: &mut Tx, id: &str, why: Why, now: i64) -> Result<()> {
    const SQL: &str =
        "UPDATE session SET ended_at = $2, ended_for = $3 WHERE id = $1 AND ended_at IS NULL";
    on!(tx, connection => sqlx::query(SQL)
        .bind(id)
        .bind(now)
        .bind(why.as_str())
        .execute(connection)
        .await
        .map(drop))
}

/// The address of a session, and why and when it ended, if it has ended.
pub async fn ended(tx: &mut Tx, id: &str) -> Result<Option<Ended>> {
    const SQL: &str =
        "SELECT email, ended_for, ended_at FROM session WHERE id = $1 AND ended_at IS NOT NULL";
    let found: Option<(String, Option<String>, i64)> = on!(tx, connection => sqlx::query_as(SQL)
        .bind(id)
        .fetch_optional(connection)
        .await)?;
    Ok(found.map(|(email, why, at)| Ended {
        email,
        why: why.and_then(|name| Why::parse(&name)),
        at,
    }))
}

/// Deletes sessions that ended before that second, or that must have expired before it after `lifetime` seconds. At
/// most `most`. Returns the number of rows deleted.
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

/// Ends every session that is beyond its limits, with the limit that it reached first as the reason. Returns their
/// addresses.
pub async fn expire(tx: &mut Tx, limits: Limits, now: i64) -> Result<Vec<String>> {
    const SQL: &str = "UPDATE session SET ended_at = $3,
            ended_for = CASE WHEN created_at - $1 <= active_at - $2 THEN 'age' ELSE 'idle' END
        WHERE ended_at IS NULL AND (created_at <= $1 OR active_at <= $2)
        RETURNING email";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(limits.began_after)
        .bind(limits.active_after)
        .bind(now)
        .fetch_all(connection)
        .await)
}

/// The principal's own live sessions, the most recently used first.
pub async fn of(tx: &mut Tx, principal: &Principal, limits: Limits) -> Result<Vec<Session>> {
    const SQL: &str = "SELECT * FROM session
        WHERE email = $1 AND ended_at IS NULL AND created_at > $2 AND active_at > $3
        ORDER BY active_at DESC, id";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(principal.email())
        .bind(limits.began_after)
        .bind(limits.active_after)
        .fetch_all(connection)
        .await)
}

/// Ends a session if it belongs to the principal. Returns false if it does not, or has already ended.
pub async fn end_of(tx: &mut Tx, principal: &Principal, id: &str, now: i64) -> Result<bool> {
    const SQL: &str = "UPDATE session SET ended_at = $3,
            ended_for = CASE WHEN id = $4 THEN 'here' ELSE 'elsewhere' END
        WHERE id = $1 AND email = $2 AND ended_at IS NULL";
    let rows = on!(tx, connection => sqlx::query(SQL)
        .bind(id)
        .bind(principal.email())
        .bind(now)
        .bind(principal.session())
        .execute(connection)
        .await?
        .rows_affected());
    Ok(rows == 1)
}

/// Ends all sessions of the principal's address.
pub async fn end_all(tx: &mut Tx, principal: &Principal, now: i64) -> Result<u64> {
    // The current session ends with its own reason: this browser asked for it.
    let own = end_of(tx, principal, principal.session(), now).await?;
    let others = end_of_address_for(tx, principal.email(), Why::Elsewhere, now).await?;
    Ok(others + u64::from(own))
}

/// Ends all sessions of an address for the operator. Returns the number of sessions ended.
pub async fn end_of_address(tx: &mut Tx, email: &str, now: i64) -> Result<u64> {
    end_of_address_for(tx, email, Why::Operator, now).await
}

async fn end_of_address_for(tx: &mut Tx, email: &str, why: Why, now: i64) -> Result<u64> {
    const SQL: &str =
        "UPDATE session SET ended_at = $2, ended_for = $3 WHERE email = $1 AND ended_at IS NULL";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(email)
        .bind(now)
        .bind(why.as_str())
        .execute(connection)
        .await?
        .rows_affected()))
}

/// Ends the sessions of those addresses that have no customer of that mode.
pub async fn end_orphans(tx: &mut Tx, emails: &[&str], livemode: bool, now: i64) -> Result<()> {
    let values = [Cell::from(now), Cell::from(i64::from(livemode))];
    bulk::change(tx, emails, values, |among, [now, livemode]| {
        format!(
            "UPDATE session SET ended_at = {now}, ended_for = 'no-customer'
            WHERE ended_at IS NULL
              AND NOT EXISTS (SELECT 1 FROM customer
                              WHERE email_normalised = session.email AND livemode = {livemode}
                                AND deleted_at IS NULL)
              AND email {among}"
        )
    })
    .await
    .map(drop)
}
