//! Erasing a person: finds the rows of a person, deletes them, and remembers the erased ids, so that events and
//! imports do not bring them back.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AssertSqlSafe;

use super::{
    Result, Store, Tx,
    bulk::{self, Table},
    erasures::hash_of_id,
    locks, on,
};

/// Locks the mirror against other writers until this transaction ends: each writer calls [`lock`] or [`among`]
/// first, in the same transaction. Also overwrites what this transaction deletes, where the engine supports that
/// (SQLite's `secure_delete`).
pub async fn begin(tx: &mut Tx) -> Result<()> {
    match tx {
        // SQLite needs no lock: it has one writer.
        Tx::Sqlite(tx) => sqlx::query("PRAGMA secure_delete = ON")
            .execute(&mut **tx)
            .await
            .map(drop),
        // Reading the table takes a lock that conflicts with this one and lasts until the transaction ends.
        Tx::Postgres(tx) => sqlx::query("LOCK TABLE erased IN ACCESS EXCLUSIVE MODE")
            .execute(&mut **tx)
            .await
            .map(drop),
    }
}

/// Above 0 when at least one person was erased.
macro_rules! anybody {
    () => {
        "SELECT COUNT(*) FROM (SELECT id FROM erased LIMIT 1) AS erased"
    };
}

/// Locks these objects as [`Tx::lock`] does, and returns in the same round trip whether at least one person was
/// erased. The result cannot change during the wait for the locks: the statement already holds a lock on the table,
/// and [`begin`] needs an exclusive one.
pub async fn lock(tx: &mut Tx, ids: &[&str]) -> Result<bool> {
    let found: i64 = match tx {
        Tx::Sqlite(tx) => sqlx::query_scalar(anybody!()).fetch_one(&mut **tx).await?,
        Tx::Postgres(tx) => {
            const SQL: &str = concat!("SELECT (", anybody!(), ") FROM ", locks!());
            sqlx::query_scalar(SQL)
                .bind(ids)
                .fetch_one(&mut **tx)
                .await?
        }
    };
    Ok(found > 0)
}

/// This marker row exists when the table also holds hashes of ids. Of erasures that happened after a backup, a
/// restored database has only the hashes.
const HASHES: &str = "hashes";
const HASH: &str = "hash:";
/// Prefix of the ids of erasures.
const ERASURE: &str = "erasure:";

/// Which of these ids were erased. In most databases the table is empty; then the ids are not looked up.
pub async fn among(tx: &mut Tx, ids: impl IntoIterator<Item = String>) -> Result<BTreeSet<String>> {
    const KINDS: &str = concat!(
        "SELECT (",
        anybody!(),
        ") AS anybody,
            (SELECT COUNT(*) FROM erased WHERE id = $1) AS hashes"
    );
    let (anybody, hashes): (i64, i64) = on!(tx, connection => sqlx::query_as(KINDS)
        .bind(HASHES)
        .fetch_one(connection)
        .await)?;
    if anybody == 0 {
        return Ok(BTreeSet::new());
    }
    // Maps each form that an id may have in the table to the id.
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for id in ids {
        if hashes > 0 {
            names.insert(format!("{HASH}{}", hash_of_id(&id)), id.clone());
        }
        names.insert(id.clone(), id);
    }
    let found = present(tx, names.keys().map(String::as_str).collect()).await?;
    Ok(found
        .iter()
        .filter_map(|name| names.get(name).cloned())
        .collect())
}

async fn present(tx: &mut Tx, ids: Vec<&str>) -> Result<BTreeSet<String>> {
    let found: Vec<(String,)> = bulk::select(tx, &ids, |among| {
        format!("SELECT id FROM erased WHERE id {among}")
    })
    .await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Records that this erasure was applied.
pub async fn note(tx: &mut Tx, erasure: &str, now: i64) -> Result<()> {
    add(tx, &[&format!("{ERASURE}{erasure}")], now).await
}

/// Which of these erasures this database has applied.
pub async fn known(tx: &mut Tx, erasures: &[String]) -> Result<BTreeSet<String>> {
    let names: Vec<_> = erasures.iter().map(|id| format!("{ERASURE}{id}")).collect();
    let found = present(tx, names.iter().map(String::as_str).collect()).await?;
    let id = |name: &String| name.strip_prefix(ERASURE).map(str::to_owned);
    Ok(found.iter().filter_map(id).collect())
}

/// Records the hashes of erased ids.
pub async fn add_hashes(tx: &mut Tx, hashes: &BTreeSet<String>, now: i64) -> Result<()> {
    let mut names: Vec<_> = hashes.iter().map(|hash| format!("{HASH}{hash}")).collect();
    names.push(HASHES.to_owned());
    add(
        tx,
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
        now,
    )
    .await
}

/// Ids of customers, and of objects that may belong to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    pub customers: BTreeSet<String>,
    pub objects: BTreeSet<String>,
}

/// Every id in the database that an erasure may be about. `tables` are the tables of the customers' objects.
pub async fn all_ids(tx: &mut Tx, tables: &[&str]) -> Result<Ids> {
    const CUSTOMERS: &str = "SELECT id FROM customer
        UNION SELECT customer_id FROM event WHERE customer_id IS NOT NULL";
    let selects: Vec<_> = tables
        .iter()
        .map(|table| format!("SELECT id FROM {table}"))
        .collect();
    let selects = selects.join(" UNION ");
    let objects =
        format!("{selects} UNION SELECT object_id FROM event WHERE object_id IS NOT NULL");
    let customers: BTreeSet<_> = texts(tx, CUSTOMERS.to_owned()).await?.into_iter().collect();
    let objects = texts(tx, objects).await?.into_iter();
    Ok(Ids {
        objects: objects.filter(|id| !customers.contains(id)).collect(),
        customers,
    })
}

/// Every address that the database has in its own column.
pub async fn addresses(tx: &mut Tx) -> Result<Vec<String>> {
    const SQL: &str = "SELECT email_normalised FROM customer WHERE email_normalised IS NOT NULL
        UNION SELECT email FROM sign_in UNION SELECT email FROM session";
    texts(tx, SQL.to_owned()).await
}

async fn texts(tx: &mut Tx, sql: String) -> Result<Vec<String>> {
    on!(tx, connection => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await)
}

/// A batch of events with their payloads, after `after`, ordered by id.
pub async fn payloads(tx: &mut Tx, after: &str, most: i64) -> Result<Vec<(String, String)>> {
    const SQL: &str = "SELECT id, payload FROM event WHERE id > $1 AND payload <> ''
        ORDER BY id LIMIT $2";
    on!(tx, connection => sqlx::query_as(SQL)
        .bind(after)
        .bind(most)
        .fetch_all(connection)
        .await)
}

/// Records erased ids. Idempotent: known ids keep their first time.
pub async fn add(tx: &mut Tx, ids: &[&str], now: i64) -> Result<()> {
    let table = Table {
        name: "erased",
        columns: &["id", "erased_at"],
    };
    let rows: Vec<_> = ids
        .iter()
        .map(|id| vec![(*id).into(), now.into()])
        .collect();
    bulk::insert(tx, table, &rows, "ON CONFLICT DO NOTHING")
        .await
        .map(drop)
}

/// What an event is about, without its payload.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Trace {
    pub id: String,
    pub object_id: Option<String>,
    pub customer_id: Option<String>,
    /// 1 if the payload has not been deleted.
    pub payload: i64,
    /// 1 if the event has not been applied and still needs its payload.
    pub waits: i64,
}

const TRACE: &str = "SELECT id, object_id, customer_id,
        CAST(CASE WHEN payload <> '' THEN 1 ELSE 0 END AS BIGINT) AS payload,
        CAST(CASE WHEN due_at IS NOT NULL OR state = 'dead' THEN 1 ELSE 0 END AS BIGINT) AS waits
    FROM event";

/// The events that name one of these customers.
pub async fn events_of_customers(tx: &mut Tx, ids: &[&str]) -> Result<Vec<Trace>> {
    // Events about the customers themselves, and events about their objects, which have a separate index.
    let mut events = bulk::select(tx, ids, |among| {
        format!("{TRACE} WHERE object_id {among} AND customer_id = object_id")
    })
    .await?;
    let theirs = bulk::select(tx, ids, |among| {
        format!("{TRACE} WHERE customer_id {among} AND customer_id IS DISTINCT FROM object_id")
    });
    events.extend(theirs.await?);
    Ok(events)
}

/// The events about these objects.
pub async fn events_of_objects(tx: &mut Tx, ids: &[&str]) -> Result<Vec<Trace>> {
    bulk::select(tx, ids, |among| format!("{TRACE} WHERE object_id {among}")).await
}

/// The events with these ids.
pub async fn events(tx: &mut Tx, ids: &[&str]) -> Result<Vec<Trace>> {
    bulk::select(tx, ids, |among| format!("{TRACE} WHERE id {among}")).await
}

/// The payload contains the text.
pub const MENTIONED: i64 = 1;
/// The payload has escapes or non-ASCII letters, so it may contain the text in another spelling.
pub const PERHAPS: i64 = 2;

/// A batch of events that have payloads, after `after`, ordered by id: the id, and [`MENTIONED`] if the payload
/// contains the text, ignoring case. The text must be in lower case.
pub async fn mentions(
    tx: &mut Tx,
    text: &str,
    after: &str,
    most: i64,
) -> Result<Vec<(String, i64)>> {
    let (place, bytes) = match tx {
        Tx::Sqlite(_) => ("INSTR", "LENGTH(CAST(payload AS BLOB))"),
        Tx::Postgres(_) => ("STRPOS", "OCTET_LENGTH(payload)"),
    };
    let sql = format!(
        "SELECT id, CAST(CASE WHEN {place}(LOWER(payload), $1) > 0 THEN {MENTIONED}
             WHEN {place}(payload, '\\') > 0 OR {bytes} <> LENGTH(payload) THEN {PERHAPS}
             ELSE 0 END AS BIGINT)
         FROM event WHERE id > $2 AND payload <> '' ORDER BY id LIMIT $3"
    );
    on!(tx, connection => sqlx::query_as(AssertSqlSafe(sql))
        .bind(text)
        .bind(after)
        .bind(most)
        .fetch_all(connection)
        .await)
}

/// Deletes the payloads of events. Events that were not applied will not be applied.
pub async fn blank(tx: &mut Tx, ids: &[&str], now: i64) -> Result<u64> {
    bulk::change(tx, ids, [now.into()], |among, [now]| {
        format!(
            "UPDATE event SET payload = '', error = NULL, due_at = NULL,
                 state = CASE WHEN state IN ('pending', 'failed', 'dead') THEN 'stale' ELSE state END,
                 processed_at = COALESCE(processed_at, {now})
             WHERE id {among}"
        )
    })
    .await
}

/// The ids of the rows of a table that have one of these values in that column.
pub async fn rows_by(
    tx: &mut Tx,
    table: &str,
    column: &str,
    values: &[&str],
) -> Result<Vec<String>> {
    let found: Vec<(String,)> = bulk::select(tx, values, |among| {
        format!("SELECT id FROM {table} WHERE {column} {among}")
    })
    .await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Number of an address's own rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Own {
    pub sign_ins: i64,
    pub mails: i64,
    pub sessions: i64,
}

/// The mails to an address.
const MAILS: &str = "FROM outbox WHERE sign_in_id IN (SELECT id FROM sign_in WHERE email = $1)
    OR session_id IN (SELECT id FROM session WHERE email = $1)";

/// Counts the sign-ins, mails and sessions of an address.
pub async fn own(tx: &mut Tx, email: &str) -> Result<Own> {
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM sign_in WHERE email = $1) AS sign_ins,
            (SELECT COUNT(*) {MAILS}) AS mails,
            (SELECT COUNT(*) FROM session WHERE email = $1) AS sessions"
    );
    on!(tx, connection => sqlx::query_as(AssertSqlSafe(sql)).bind(email).fetch_one(connection).await)
}

/// Deletes the sign-ins, mails and sessions of an address, and the rate-limit allowances with these names. Also
/// deletes the per-device allowances of older versions.
pub async fn delete_own(tx: &mut Tx, email: &str, allowances: &[&str]) -> Result<()> {
    const DEVICES: &str = "DELETE FROM allowance WHERE name IN
        (SELECT 'device:' || device FROM sign_in WHERE email = $1 AND device IS NOT NULL)";
    let mails = format!("DELETE {MAILS}");
    // Mails first: they refer to the other rows.
    for sql in [
        DEVICES,
        &mails,
        "DELETE FROM sign_in WHERE email = $1",
        "DELETE FROM session WHERE email = $1",
    ] {
        on!(tx, connection => sqlx::query(AssertSqlSafe(sql)).bind(email).execute(connection).await.map(drop))?;
    }
    bulk::change(tx, allowances, [], |among, []| {
        format!("DELETE FROM allowance WHERE name {among}")
    })
    .await
    .map(drop)
}

/// Checkpoints and truncates SQLite's write-ahead log, which still holds the deleted data. Postgres recycles its
/// log and removes deleted rows from its files by itself, later.
pub async fn forget_log(store: &Store) -> Result<()> {
    match store {
        Store::Sqlite { readers, .. } => sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(readers)
            .await
            .map(drop),
        Store::Postgres(_) => Ok(()),
    }
}
