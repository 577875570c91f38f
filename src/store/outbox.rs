//! Transactional outbox: mails are written in the transaction that causes them, and a worker sends them.

use super::{Result, Tx, on, words::words};

words! {
    /// What a mail is about.
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Kind {
        /// The link and the code of a sign-in.
        SignIn = "sign_in",
        /// A refresh token was reused, so the session was ended.
        Reuse = "reuse",
    }
}

/// A row of `outbox`. Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Mail {
    /// Also the local part of the Message-ID, so that a retry is the same mail (idempotent).
    pub id: String,
    pub kind: Kind,
    /// The sign-in of a mail of kind `SignIn`.
    pub sign_in_id: Option<String>,
    /// The session of a mail of kind `Reuse`.
    pub session_id: Option<String>,
    /// The requesting browser in words, shown to the recipient.
    pub asked_from: String,
    pub attempts: i64,
    /// The worker does not try it before this time.
    pub due_at: i64,
    /// When the mail server accepted it.
    pub sent_at: Option<i64>,
    /// When it was decided not to send it: the rate limit was exceeded, or no customer has the address.
    pub withheld_at: Option<i64>,
}

impl Mail {
    /// Whether it still has to be sent.
    pub fn is_waiting(&self) -> bool {
        self.sent_at.is_none() && self.withheld_at.is_none()
    }
}

pub async fn insert(tx: &mut Tx, mail: &Mail) -> Result<()> {
    const SQL: &str = "INSERT INTO outbox
            (id, kind, sign_in_id, session_id, asked_from, attempts, due_at, sent_at, withheld_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    on!(tx, connection => sqlx::query(SQL)
        .bind(&mail.id)
        .bind(mail.kind.as_str())
        .bind(&mail.sign_in_id)
        .bind(&mail.session_id)
        .bind(&mail.asked_from)
        .bind(mail.attempts)
        .bind(mail.due_at)
        .bind(mail.sent_at)
        .bind(mail.withheld_at)
        .execute(connection)
        .await
        .map(drop))
}

/// Leases one due mail and counts the attempt. No other worker gets it before `lease_until`.
///
/// Two processes on Postgres may select the same row. The outer `due_at <= $1` is evaluated again after the row
/// lock, so one of them gets nothing.
pub async fn claim(tx: &mut Tx, now: i64, lease_until: i64) -> Result<Option<Mail>> {
    const SQL: &str = "UPDATE outbox SET attempts = attempts + 1, due_at = $2
        WHERE id = (SELECT id FROM outbox
                    WHERE sent_at IS NULL AND withheld_at IS NULL AND due_at <= $1
                    ORDER BY due_at, id LIMIT 1)
          AND sent_at IS NULL AND withheld_at IS NULL AND due_at <= $1
        RETURNING *";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(now)
        .bind(lease_until)
        .fetch_optional(connection)
        .await)
}

pub async fn sent(tx: &mut Tx, id: &str, now: i64) -> Result<()> {
    const SQL: &str = "UPDATE outbox SET sent_at = $2 WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL).bind(id).bind(now).execute(connection).await.map(drop))
}

/// Marks a mail as not to be sent.
pub async fn withhold(tx: &mut Tx, id: &str, now: i64) -> Result<()> {
    const SQL: &str = "UPDATE outbox SET withheld_at = $2 WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL).bind(id).bind(now).execute(connection).await.map(drop))
}

/// Delays a mail that could not be sent until `due_at` (backoff).
pub async fn retry_at(tx: &mut Tx, id: &str, due_at: i64) -> Result<()> {
    const SQL: &str = "UPDATE outbox SET due_at = $2 WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL).bind(id).bind(due_at).execute(connection).await.map(drop))
}

/// Delays a mail that was not tried, and undoes the count of the attempt.
pub async fn put_off(tx: &mut Tx, id: &str, due_at: i64) -> Result<()> {
    const SQL: &str = "UPDATE outbox SET due_at = $2, attempts = attempts - 1 WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL).bind(id).bind(due_at).execute(connection).await.map(drop))
}

/// Gives up a mail.
pub async fn drop_mail(tx: &mut Tx, id: &str) -> Result<()> {
    const SQL: &str = "DELETE FROM outbox WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL).bind(id).execute(connection).await.map(drop))
}

pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<Mail>> {
    const SQL: &str = "SELECT * FROM outbox WHERE id = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(id).fetch_optional(connection).await)
}

/// The normalised address of the mail's sign-in or session.
pub async fn address(tx: &mut Tx, mail: &Mail) -> Result<Option<String>> {
    const SQL: &str = "SELECT email FROM sign_in WHERE id = $1
        UNION ALL SELECT email FROM session WHERE id = $2";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(&mail.sign_in_id)
        .bind(&mail.session_id)
        .fetch_optional(connection)
        .await)
}

/// The newest mails of an address, sent or not, at most `most`.
pub async fn of_address(tx: &mut Tx, email: &str, most: i64) -> Result<Vec<Mail>> {
    const SQL: &str = "SELECT outbox.* FROM outbox
        LEFT JOIN sign_in ON sign_in.id = outbox.sign_in_id
        LEFT JOIN session ON session.id = outbox.session_id
        WHERE sign_in.email = $1 OR session.email = $1
        ORDER BY outbox.due_at DESC, outbox.id LIMIT $2";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(email)
        .bind(most)
        .fetch_all(connection)
        .await)
}

/// Deletes mails, sent or not, that were settled before that second or whose sign-in expired before it, at most
/// `most`. Returns the number of mails deleted.
pub async fn purge(tx: &mut Tx, before: i64, most: i64) -> Result<u64> {
    const SQL: &str = "DELETE FROM outbox WHERE id IN
        (SELECT outbox.id FROM outbox LEFT JOIN sign_in ON sign_in.id = outbox.sign_in_id
         WHERE sign_in.expires_at < $1 OR outbox.sent_at < $1
            OR outbox.withheld_at < $1 LIMIT $2)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(before)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
