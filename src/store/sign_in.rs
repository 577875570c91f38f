//! Sign-in attempts, which prove that a visitor reads an inbox. Rows hold only hashes: a stolen database contains
//! nothing to sign in with.

mod retry;

use super::{Result, Tx, on, words::words};
use crate::mask::shows;

pub use retry::{Used, all_used, count_try_again, gave, used};

words! {
    /// Why an unused sign-in ended.
    pub enum End {
        /// It exceeded a rate limit and was never usable.
        Refused = "refused",
        /// A sign-in that a known device asked for replaced it.
        Displaced = "displaced",
        /// Another sign-in of the same address was used.
        Superseded = "superseded",
    }
}

/// A row of `sign_in`. Hashes are hex, times unix seconds.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SignIn {
    pub id: String,
    /// Normalised.
    pub email: String,
    /// SHA-256 of the link's token.
    pub token_hash: String,
    /// HMAC of the code, with a key of the server.
    pub code_hash: String,
    /// SHA-256 of the cookie of the browser that asked.
    pub browser_hash: String,
    /// The number of codes tried.
    pub attempts: i64,
    pub created_at: i64,
    pub expires_at: i64,
    /// When it was used to create a session.
    pub used_at: Option<i64>,
    /// When it ended unused, and why.
    pub ended_at: Option<i64>,
    pub ended_for: Option<End>,
    /// SHA-256 of the device cookie, if the requesting browser had signed in with this address before.
    pub device: Option<String>,
}

shows!(SignIn: id, attempts, created_at, expires_at, used_at, ended_at, ended_for);

impl SignIn {
    /// Whether it was neither used nor ended. It may have expired.
    pub fn is_unused(&self) -> bool {
        self.used_at.is_none() && self.ended_at.is_none()
    }
}

/// The number of sign-ins that can still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Live {
    pub of_address: i64,
    pub of_browser: i64,
    /// Sign-ins of both the address and the browser, requested a moment ago.
    pub asked_just_now: i64,
}

pub async fn insert(tx: &mut Tx, row: &SignIn) -> Result<()> {
    const SQL: &str = "INSERT INTO sign_in
            (id, email, token_hash, code_hash, browser_hash, attempts, created_at, expires_at, used_at,
             ended_at, ended_for, device)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    on!(tx, connection => sqlx::query(SQL)
        .bind(&row.id)
        .bind(&row.email)
        .bind(&row.token_hash)
        .bind(&row.code_hash)
        .bind(&row.browser_hash)
        .bind(row.attempts)
        .bind(row.created_at)
        .bind(row.expires_at)
        .bind(row.used_at)
        .bind(row.ended_at)
        .bind(row.ended_for.map(End::as_str))
        .bind(&row.device)
        .execute(connection)
        .await
        .map(drop))
}

/// Counts the sign-ins that can still be used and belong to this address or were requested in this browser.
/// Sign-ins after `just_now` count as requested a moment ago.
pub async fn count_live(
    tx: &mut Tx,
    email: &str,
    browser_hash: &str,
    now: i64,
    most_tries: i64,
    just_now: i64,
) -> Result<Live> {
    const SQL: &str = "SELECT COUNT(CASE WHEN email = $1 THEN 1 END) AS of_address,
            COUNT(CASE WHEN browser_hash = $2 THEN 1 END) AS of_browser,
            COUNT(CASE WHEN email = $1 AND browser_hash = $2 AND created_at > $5 THEN 1 END)
                AS asked_just_now
        FROM sign_in
        WHERE (email = $1 OR browser_hash = $2)
          AND expires_at > $3 AND used_at IS NULL AND ended_at IS NULL AND attempts < $4";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(email)
        .bind(browser_hash)
        .bind(now)
        .bind(most_tries)
        .bind(just_now)
        .fetch_one(connection)
        .await)
}

/// The expiry times of an address's sign-ins that can still be used, the earliest first.
pub async fn live_of_address(tx: &mut Tx, email: &str, now: i64) -> Result<Vec<i64>> {
    const SQL: &str = "SELECT expires_at FROM sign_in
        WHERE email = $1 AND expires_at > $2 AND used_at IS NULL AND ended_at IS NULL
        ORDER BY expires_at";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(email)
        .bind(now)
        .fetch_all(connection)
        .await)
}

/// How often sign-ins were requested for an address, and when last, as far back as sign-ins are kept.
pub async fn asked_of_address(tx: &mut Tx, email: &str) -> Result<(i64, Option<i64>)> {
    const SQL: &str = "SELECT COUNT(*), MAX(created_at) FROM sign_in WHERE email = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(email).fetch_one(connection).await)
}

/// Moves the unexpired sign-ins of a browser to the browser's new cookie value.
pub async fn rebind(tx: &mut Tx, old_hash: &str, new_hash: &str, now: i64) -> Result<()> {
    const SQL: &str =
        "UPDATE sign_in SET browser_hash = $2 WHERE browser_hash = $1 AND expires_at > $3";
    on!(tx, connection => sqlx::query(SQL)
        .bind(old_hash)
        .bind(new_hash)
        .bind(now)
        .execute(connection)
        .await
        .map(drop))
}

/// Of a browser's unexpired sign-ins, keeps the newest `most_live` live ones and the newest `most_spent` others;
/// detaches the rest from the browser. This bounds the work per cookie value, and the number of sign-ins that a
/// browser can try one code against (brute force).
pub async fn let_go(
    tx: &mut Tx,
    browser_hash: &str,
    now: i64,
    most_tries: i64,
    most_live: i64,
    most_spent: i64,
) -> Result<()> {
    const SQL: &str = "UPDATE sign_in SET browser_hash = ''
        WHERE browser_hash = $1 AND expires_at > $2
          AND id NOT IN (SELECT id FROM sign_in
                         WHERE browser_hash = $1 AND expires_at > $2
                           AND used_at IS NULL AND ended_at IS NULL AND attempts < $3
                         ORDER BY created_at DESC, id DESC LIMIT $4)
          AND id NOT IN (SELECT id FROM sign_in
                         WHERE browser_hash = $1 AND expires_at > $2
                           AND (used_at IS NOT NULL OR ended_at IS NOT NULL OR attempts >= $3)
                         ORDER BY created_at DESC, id DESC LIMIT $5)";
    on!(tx, connection => sqlx::query(SQL)
        .bind(browser_hash)
        .bind(now)
        .bind(most_tries)
        .bind(most_live)
        .bind(most_spent)
        .execute(connection)
        .await
        .map(drop))
}

/// Ends the oldest live sign-in of an address that was not requested by a known device. Returns false if there is
/// none.
pub async fn end_oldest_of_strangers(tx: &mut Tx, email: &str, now: i64) -> Result<bool> {
    const SQL: &str = "UPDATE sign_in SET ended_at = $2, ended_for = 'displaced'
        WHERE id = (SELECT id FROM sign_in
                    WHERE email = $1 AND device IS NULL AND expires_at > $2
                      AND used_at IS NULL AND ended_at IS NULL
                    ORDER BY created_at, id LIMIT 1)
        RETURNING id";
    let ended: Option<String> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(email)
        .bind(now)
        .fetch_optional(connection)
        .await)?;
    Ok(ended.is_some())
}

pub async fn by_id(tx: &mut Tx, id: &str) -> Result<Option<SignIn>> {
    const SQL: &str = "SELECT * FROM sign_in WHERE id = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(id).fetch_optional(connection).await)
}

pub async fn by_token(tx: &mut Tx, token_hash: &str) -> Result<Option<SignIn>> {
    const SQL: &str = "SELECT * FROM sign_in WHERE token_hash = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(token_hash).fetch_optional(connection).await)
}

/// The unexpired sign-ins that a browser requested, used or not, oldest first.
pub async fn of_browser(tx: &mut Tx, browser_hash: &str, now: i64) -> Result<Vec<SignIn>> {
    const SQL: &str = "SELECT * FROM sign_in WHERE browser_hash = $1 AND expires_at > $2
        ORDER BY created_at, id";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(browser_hash)
        .bind(now)
        .fetch_all(connection)
        .await)
}

/// The addresses of the unexpired sign-ins that a browser requested.
pub async fn addresses(tx: &mut Tx, browser_hash: &str, now: i64) -> Result<Vec<String>> {
    const SQL: &str =
        "SELECT DISTINCT email FROM sign_in WHERE browser_hash = $1 AND expires_at > $2";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(browser_hash)
        .bind(now)
        .fetch_all(connection)
        .await)
}

/// Counts one attempt against every live sign-in of a browser, and returns those that had an attempt left. Callers
/// commit before they compare the code, so that no failure gives the attempt back (brute-force limit).
pub async fn count_try(
    tx: &mut Tx,
    browser_hash: &str,
    now: i64,
    most_tries: i64,
) -> Result<Vec<SignIn>> {
    const SQL: &str = "UPDATE sign_in SET attempts = attempts + 1
        WHERE browser_hash = $1 AND expires_at > $2
          AND used_at IS NULL AND ended_at IS NULL AND attempts < $3
        RETURNING *";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(browser_hash)
        .bind(now)
        .bind(most_tries)
        .fetch_all(connection)
        .await)
}

/// Like [`count_try`], only for sign-ins that a known device requested.
pub async fn count_try_of_devices(
    tx: &mut Tx,
    browser_hash: &str,
    now: i64,
    most_tries: i64,
) -> Result<Vec<SignIn>> {
    const SQL: &str = "UPDATE sign_in SET attempts = attempts + 1
        WHERE browser_hash = $1 AND expires_at > $2
          AND used_at IS NULL AND ended_at IS NULL AND attempts < $3
          AND device IS NOT NULL
        RETURNING *";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(browser_hash)
        .bind(now)
        .bind(most_tries)
        .fetch_all(connection)
        .await)
}

/// Records that the correct code of a sign-in was entered.
pub async fn was_right(tx: &mut Tx, id: &str, now: i64) -> Result<()> {
    const SQL: &str = "UPDATE sign_in SET right_at = $2 WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL).bind(id).bind(now).execute(connection).await.map(drop))
}

/// The usable sign-ins of a browser whose correct code was entered after that second.
pub async fn right_lately(
    tx: &mut Tx,
    browser_hash: &str,
    after: i64,
    now: i64,
) -> Result<Vec<SignIn>> {
    const SQL: &str = "SELECT * FROM sign_in
        WHERE browser_hash = $1 AND right_at > $2 AND expires_at > $3
          AND used_at IS NULL AND ended_at IS NULL";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(browser_hash)
        .bind(after)
        .bind(now)
        .fetch_all(connection)
        .await)
}

/// Records that the mail server accepted the mail of a sign-in.
pub async fn hand_over(tx: &mut Tx, id: &str, now: i64) -> Result<()> {
    const SQL: &str = "UPDATE sign_in SET handed_at = $2 WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL).bind(id).bind(now).execute(connection).await.map(drop))
}

/// Whether the mail server accepted the mail of a sign-in.
pub async fn is_handed_over(tx: &mut Tx, id: &str) -> Result<bool> {
    const SQL: &str = "SELECT handed_at FROM sign_in WHERE id = $1 AND handed_at IS NOT NULL";
    let handed_at: Option<i64> = on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(id)
        .fetch_optional(connection)
        .await)?;
    Ok(handed_at.is_some())
}

/// Consumes the sign-in for the browser that requested it. Atomic: of several concurrent callers, one gets the
/// address.
pub async fn consume(
    tx: &mut Tx,
    id: &str,
    browser_hash: &str,
    now: i64,
) -> Result<Option<String>> {
    const SQL: &str = "UPDATE sign_in SET used_at = $3
        WHERE id = $1 AND browser_hash = $2 AND expires_at > $3
          AND used_at IS NULL AND ended_at IS NULL
        RETURNING email";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(id)
        .bind(browser_hash)
        .bind(now)
        .fetch_optional(connection)
        .await)
}

/// Ends every live sign-in of an address: after one was used, the links and codes in the other mails must not work.
pub async fn end_all(tx: &mut Tx, email: &str, now: i64) -> Result<()> {
    const SQL: &str = "UPDATE sign_in SET ended_at = $2, ended_for = 'superseded'
        WHERE email = $1 AND used_at IS NULL AND ended_at IS NULL AND expires_at > $2";
    on!(tx, connection => sqlx::query(SQL).bind(email).bind(now).execute(connection).await.map(drop))
}

/// Deletes sign-ins that expired before that second and whose mails are deleted, at most `most`. Returns the number
/// of rows deleted.
pub async fn purge(tx: &mut Tx, before: i64, most: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM sign_in WHERE id IN
        (SELECT id FROM sign_in WHERE expires_at < $1
         AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.sign_in_id = sign_in.id) LIMIT $2)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(before)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
