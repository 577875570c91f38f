//! The inbox: every event that was answered 200, once.

use sqlx::AssertSqlSafe;

use super::{Result, Tx, chunks, on, placeholders};

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

/// Stores the events whose ids are not known yet, and returns those ids. Of two with the same id
/// one is stored.
pub async fn insert_all(tx: &mut Tx, events: &[Event]) -> Result<Vec<String>> {
    let mut stored = Vec::with_capacity(events.len());
    for chunk in chunks(events) {
        let sql = format!(
            "INSERT INTO event
                (id, type, object_id, created, livemode, api_version, state, attempts, error,
                 received_at, processed_at, payload)
            VALUES {}
            ON CONFLICT (id) DO NOTHING
            RETURNING id",
            placeholders(chunk.len(), 12)
        );
        stored.extend(on!(tx, connection => {
            let mut query = sqlx::query_scalar::<_, String>(AssertSqlSafe(sql));
            for event in chunk {
                query = query
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
                    .bind(&event.payload);
            }
            query.fetch_all(connection).await?
        }));
    }
    Ok(stored)
}

/// Records what became of events.
pub async fn set_state(tx: &mut Tx, ids: &[&str], state: &str) -> Result<()> {
    for chunk in chunks(ids) {
        // The state comes last, so that the ids are numbered from 1.
        let sql = format!(
            "UPDATE event SET state = ${} WHERE id IN {}",
            chunk.len() + 1,
            placeholders(1, chunk.len())
        );
        on!(tx, connection => {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for id in chunk {
                query = query.bind(*id);
            }
            query.bind(state).execute(connection).await?;
        });
    }
    Ok(())
}

/// The payloads of an object's events in the last second with any before `before`. Ignored ones do
/// not count.
pub async fn of_second_before(tx: &mut Tx, object_id: &str, before: i64) -> Result<Vec<String>> {
    const SQL: &str = "SELECT payload FROM event
        WHERE object_id = $1 AND state <> 'ignored' AND created =
            (SELECT MAX(created) FROM event
             WHERE object_id = $1 AND state <> 'ignored' AND created < $2)";
    on!(tx, connection => sqlx::query_scalar(SQL)
        .bind(object_id)
        .bind(before)
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
