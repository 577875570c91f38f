//! The webhook inbox: each event that was answered with 200, deduplicated by its id.

use sqlx::AssertSqlSafe;

use super::{
    Result, Tx,
    bulk::{self, Cell, Table},
    on,
    words::words,
};
use crate::mask::shows;

words! {
    /// The processing state of an event.
    pub enum State {
        /// The mirror contains its effect.
        Applied = "applied",
        /// The mirror already had newer state.
        Stale = "stale",
        /// Its type is not mirrored, or it belongs to another account.
        Ignored = "ignored",
        /// Waits for data that must be read from Stripe first.
        Pending = "pending",
        /// Applying it failed; it is retried.
        Failed = "failed",
        /// It failed too often or for too long, and is not retried (dead letter).
        Dead = "dead",
    }
}

/// A row of `event`. Times are unix seconds.
#[derive(Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Event {
    pub id: String,
    pub r#type: String,
    /// The id of `data.object`, if it has one.
    pub object_id: Option<String>,
    /// The id of the customer, if the event names one.
    pub customer_id: Option<String>,
    pub created: i64,
    pub livemode: i64,
    pub api_version: Option<String>,
    pub state: State,
    pub attempts: i64,
    pub error: Option<String>,
    pub received_at: i64,
    pub processed_at: Option<i64>,
    /// When the worker takes it next. Set only for pending and failed events.
    pub due_at: Option<i64>,
    /// When it was last replayed. Its attempts are counted from then.
    pub tried_since: Option<i64>,
    /// The signed body; empty after the retention period.
    pub payload: String,
}

shows!(
    Event: id, r#type, object_id, customer_id, created, livemode, state, attempts, received_at,
    processed_at, due_at, tried_since
);

/// The columns that are written when an event arrives.
const COLUMNS: &[&str] = &[
    "id",
    "type",
    "object_id",
    "customer_id",
    "created",
    "livemode",
    "api_version",
    "state",
    "attempts",
    "error",
    "received_at",
    "processed_at",
    "due_at",
    "payload",
];

impl Event {
    /// In the order of the columns.
    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            (&self.id).into(),
            (&self.r#type).into(),
            (&self.object_id).into(),
            (&self.customer_id).into(),
            self.created.into(),
            self.livemode.into(),
            (&self.api_version).into(),
            self.state.as_str().into(),
            self.attempts.into(),
            (&self.error).into(),
            self.received_at.into(),
            self.processed_at.into(),
            self.due_at.into(),
            (&self.payload).into(),
        ]
    }
}

/// Inserts the events whose ids are not stored yet, and returns those ids. Idempotent: of two events with the same
/// id, one is stored.
pub async fn insert_all(tx: &mut Tx, events: &[Event]) -> Result<Vec<String>> {
    let table = Table {
        name: "event",
        columns: COLUMNS,
    };
    // All transactions insert in the same order, which prevents deadlocks: of two with the same events, one waits
    // for the other.
    let mut events: Vec<_> = events.iter().collect();
    events.sort_by(|one, other| one.id.cmp(&other.id));
    let rows: Vec<_> = events.into_iter().map(Event::cells).collect();
    let clash = "ON CONFLICT (id) DO NOTHING RETURNING id";
    bulk::insert(tx, table, &rows, clash).await
}

/// Records the state of events, and when the worker takes them, if it has to.
pub async fn set_state(tx: &mut Tx, ids: &[&str], state: State, due_at: Option<i64>) -> Result<()> {
    let values = [state.as_str().into(), due_at.into()];
    bulk::change(tx, ids, values, |among, [state, due_at]| {
        format!("UPDATE event SET state = {state}, due_at = {due_at} WHERE id {among}")
    })
    .await?;
    Ok(())
}

/// The payloads of an object's events in the latest second before `before` that has any. Ignored events do not
/// count.
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

/// Leases events that are due, oldest first, until `until`: they are due again then, so if the worker dies, another
/// one takes them. Each lease counts as an attempt.
pub async fn claim(tx: &mut Tx, now: i64, until: i64, most: i64) -> Result<Vec<Event>> {
    // SKIP LOCKED: several processes on one Postgres skip each other's rows. SQLite has one writer.
    let skip = match tx {
        Tx::Sqlite(_) => "",
        Tx::Postgres(_) => "FOR UPDATE SKIP LOCKED",
    };
    let sql = format!(
        "UPDATE event SET due_at = $2, attempts = attempts + 1
         WHERE id IN (SELECT id FROM event WHERE due_at <= $1 ORDER BY due_at LIMIT $3 {skip})
         RETURNING *"
    );
    on!(tx, connection => sqlx::query_as(AssertSqlSafe(sql))
        .bind(now)
        .bind(until)
        .bind(most)
        .fetch_all(connection)
        .await)
}

/// Extends or shortens the lease of events from `claimed` to `until`. Events that another worker has leased
/// meanwhile keep their lease.
pub async fn hold(tx: &mut Tx, ids: &[&str], claimed: i64, until: i64) -> Result<()> {
    let values = [claimed.into(), until.into()];
    bulk::change(tx, ids, values, |among, [claimed, until]| {
        format!("UPDATE event SET due_at = {until} WHERE due_at = {claimed} AND id {among}")
    })
    .await?;
    Ok(())
}

/// Records the final state of events that the worker took.
pub async fn finish(tx: &mut Tx, ids: &[&str], state: State, now: i64) -> Result<()> {
    bulk::change(
        tx,
        ids,
        [state.as_str().into(), now.into()],
        |among, [state, now]| {
            format!(
            "UPDATE event SET state = {state}, processed_at = {now}, error = NULL, due_at = NULL
             WHERE id {among}"
        )
        },
    )
    .await?;
    Ok(())
}

/// Records a failed attempt. With `due_at` the event is retried then; without it, the event is dead. `until` is the
/// end of this worker's lease: if another worker has leased the event since, that worker's result counts.
pub async fn fail(
    tx: &mut Tx,
    id: &str,
    until: Option<i64>,
    error: &str,
    due_at: Option<i64>,
) -> Result<()> {
    const SQL: &str = "UPDATE event SET state = $2, error = $3, due_at = $4
        WHERE id = $1 AND due_at = $5";
    let state = match due_at {
        Some(_) => State::Failed,
        None => State::Dead,
    };
    on!(tx, connection => { sqlx::query(SQL)
        .bind(id)
        .bind(state.as_str())
        .bind(error)
        .bind(due_at)
        .bind(until)
        .execute(connection)
        .await?; });
    Ok(())
}

/// Schedules a retry at `due_at` of events that were leased until `claimed`, without counting this attempt. Events
/// that are finished or were made due meanwhile stay unchanged.
pub async fn postpone(tx: &mut Tx, ids: &[&str], claimed: i64, due_at: i64) -> Result<()> {
    let values = [claimed.into(), due_at.into()];
    bulk::change(tx, ids, values, |among, [claimed, due_at]| {
        format!(
            "UPDATE event SET due_at = {due_at}, attempts = attempts - 1
             WHERE attempts > 0 AND due_at = {claimed} AND id {among}"
        )
    })
    .await?;
    Ok(())
}

/// Makes waiting events of these objects due at once, because new data may settle them. This does not count as an
/// attempt.
pub async fn hurry(tx: &mut Tx, object_ids: &[&str], now: i64) -> Result<()> {
    bulk::change(tx, object_ids, [now.into()], |among, [now]| {
        format!(
            "UPDATE event SET due_at = {now},
                 attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END
             WHERE due_at > {now} AND object_id {among}"
        )
    })
    .await?;
    Ok(())
}

/// Ids and types of pending and failed events of this object from before that second.
pub async fn unsettled_before(
    tx: &mut Tx,
    object_id: &str,
    before: i64,
) -> Result<Vec<(String, String)>> {
    const SQL: &str = "SELECT id, type FROM event
        WHERE object_id = $1 AND created < $2 AND state IN ('pending', 'failed')";
    on!(tx, connection => sqlx::query_as(SQL)
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

/// Which events are listed. A field that is `None` does not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub state: Option<State>,
    /// A type, or a prefix followed by `*`: `customer.*`.
    pub r#type: Option<String>,
    pub customer: Option<String>,
    /// Received at this unix second or later.
    pub since: Option<i64>,
}

/// The newest events that match the filter, at most `most`, without their payloads.
pub async fn list(tx: &mut Tx, filter: &Filter, most: i64) -> Result<Vec<Event>> {
    const SQL: &str = "SELECT id, type, object_id, customer_id, created, livemode, api_version,
            state, attempts, error, received_at, processed_at, due_at, tried_since, '' AS payload
        FROM event
        WHERE ($1 IS NULL OR state = $1)
          AND ($2 IS NULL OR type = $2 OR (SUBSTR($2, LENGTH($2)) = '*'
               AND SUBSTR(type, 1, LENGTH($2) - 1) = SUBSTR($2, 1, LENGTH($2) - 1)))
          AND ($3 IS NULL OR customer_id = $3)
          AND ($4 IS NULL OR received_at >= $4)
        ORDER BY received_at DESC, id LIMIT $5";
    // Postgres needs a type for parameters that may be NULL.
    let sql = match tx {
        Tx::Sqlite(_) => SQL.to_owned(),
        Tx::Postgres(_) => SQL
            .replace("$1", "CAST($1 AS TEXT)")
            .replace("$2", "CAST($2 AS TEXT)")
            .replace("$3", "CAST($3 AS TEXT)")
            .replace("$4", "CAST($4 AS BIGINT)"),
    };
    on!(tx, connection => sqlx::query_as(AssertSqlSafe(sql))
        .bind(filter.state.map(State::as_str))
        .bind(&filter.r#type)
        .bind(&filter.customer)
        .bind(filter.since)
        .bind(most)
        .fetch_all(connection)
        .await)
}

/// Ids of failed and dead events after this one, ordered by id, at most `most`, each with whether it still has its
/// payload.
pub async fn failed_after(tx: &mut Tx, after: &str, most: i64) -> Result<Vec<(String, bool)>> {
    const SQL: &str = "SELECT id, CASE WHEN payload = '' THEN 0 ELSE 1 END FROM event
        WHERE id > $1 AND state IN ('failed', 'dead') ORDER BY id LIMIT $2";
    let rows: Vec<(String, i32)> = on!(tx, connection => sqlx::query_as(SQL)
        .bind(after)
        .bind(most)
        .fetch_all(connection)
        .await?);
    Ok(rows.into_iter().map(|(id, has)| (id, has == 1)).collect())
}

/// The number of events in each state.
pub async fn counts(tx: &mut Tx) -> Result<Vec<(State, i64)>> {
    const SQL: &str = "SELECT state, COUNT(*) FROM event GROUP BY state ORDER BY state";
    on!(tx, connection => sqlx::query_as(SQL).fetch_all(connection).await)
}

/// Requeues events that still have their payloads: they are due at `now`, as if they had just arrived. Returns the
/// number of events requeued.
pub async fn requeue(tx: &mut Tx, ids: &[&str], now: i64) -> Result<u64> {
    bulk::change(tx, ids, [now.into()], |among, [now]| {
        format!(
            "UPDATE event SET state = 'pending', attempts = 0, error = NULL, due_at = {now},
                 tried_since = {now}
             WHERE payload <> '' AND id {among}"
        )
    })
    .await
}

/// How many payloads `purge` would delete.
pub async fn purgeable(tx: &mut Tx, before: i64) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) FROM event
        WHERE received_at < $1 AND payload <> '' AND due_at IS NULL AND state <> 'dead'";
    on!(tx, connection => sqlx::query_scalar(SQL).bind(before).fetch_one(connection).await)
}

/// Deletes the payloads of finished events that were received before that second, at most `most`. Returns the
/// number of payloads deleted.
pub async fn purge(tx: &mut Tx, before: i64, most: i64) -> Result<u64> {
    const SQL: &str = "UPDATE event SET payload = '' WHERE id IN
        (SELECT id FROM event
         WHERE received_at < $1 AND payload <> '' AND due_at IS NULL AND state <> 'dead' LIMIT $2)";
    Ok(on!(tx, connection => sqlx::query(SQL)
        .bind(before)
        .bind(most)
        .execute(connection)
        .await?
        .rows_affected()))
}
