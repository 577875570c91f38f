//! The inbox: every event that was answered 200, once.

use super::{Result, Tx, on};

/// A row of `event`. Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Event {
    pub id: String,
    pub r#type: String,
    /// The id of `data.object`, if it has one.
    pub object_id: Option<String>,
    pub created: i64,
    pub livemode: i64,
    pub api_version: Option<String>,
    /// `applied`, `stale` or `ignored`.
    pub state: String,
    pub attempts: i64,
    pub error: Option<String>,
    pub received_at: i64,
    pub processed_at: Option<i64>,
    /// The body as it was signed.
    pub payload: String,
}

/// Stores the event. False when its id is known already: then nothing was written.
pub async fn insert(tx: &mut Tx, event: &Event) -> Result<bool> {
    const SQL: &str = "INSERT INTO event
            (id, type, object_id, created, livemode, api_version, state, attempts, error,
             received_at, processed_at, payload)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (id) DO NOTHING";
    let rows = on!(tx, connection => sqlx::query(SQL)
        .bind(&event.id)
        .bind(&event.r#type)
        .bind(&event.object_id)
        .bind(event.created)
        .bind(event.livemode)
        .bind(&event.api_version)
        .bind(&event.state)
        .bind(event.attempts)
        .bind(&event.error)
        .bind(event.received_at)
        .bind(event.processed_at)
        .bind(&event.payload)
        .execute(connection)
        .await?
        .rows_affected());
    Ok(rows == 1)
}

/// Records what became of the event.
pub async fn set_state(tx: &mut Tx, id: &str, state: &str) -> Result<()> {
    const SQL: &str = "UPDATE event SET state = $2 WHERE id = $1";
    on!(tx, connection => sqlx::query(SQL).bind(id).bind(state).execute(connection).await.map(drop))
}

/// The payloads of all events of one object within one Stripe second that were not ignored.
pub async fn of_second(tx: &mut Tx, object_id: &str, created: i64) -> Result<Vec<String>> {
    const SQL: &str = "SELECT payload FROM event
        WHERE object_id = $1 AND created = $2 AND state <> 'ignored'";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(object_id)
        .bind(created)
        .fetch_all(connection)
        .await)
}

pub async fn find(tx: &mut Tx, id: &str) -> Result<Option<Event>> {
    const SQL: &str = "SELECT * FROM event WHERE id = $1";
    on!(tx, connection => sqlx::query_as(SQL).bind(id).fetch_optional(connection).await)
}

/// How many events are stored.
pub async fn count(tx: &mut Tx) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM event";
    on!(tx, connection => sqlx::query_scalar(SQL).fetch_one(connection).await)
}
