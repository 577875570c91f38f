//! What is specific to SQLite: how connections are opened, the settings they must have, and failures that only
//! SQLite has.

use std::{str::FromStr, time::Duration};

use futures::FutureExt;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection, SqlitePool,
    error::DatabaseError,
    migrate::MigrateError,
    sqlite::{
        SqliteConnectOptions, SqliteError, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    },
};

use super::{Error, Result, unreadable};
use crate::timeouts;

/// The writer pool with one connection, and the reader pool, whose connections open on demand.
pub(super) async fn pools(options: SqliteConnectOptions) -> Result<(SqlitePool, SqlitePool)> {
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(timeouts::DATABASE)
            // The connection was checked when it was returned, and a file does not disconnect.
            .test_before_acquire(false)
            .after_release(|connection, _| is_over(connection).boxed())
    };
    let writer = pool()
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    let readers = pool().max_connections(8).connect_lazy_with(options);
    Ok((writer, readers))
}

/// Durable enough to acknowledge events: in WAL mode, `synchronous = FULL` syncs at every commit, so an event
/// answered with 200 survives a power loss.
pub(super) fn options(url: &str) -> Result<SqliteConnectOptions> {
    Ok(usual_options(url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full))
}

/// What holds for a connection alone.
pub(super) fn usual_options(url: &str) -> Result<SqliteConnectOptions> {
    Ok(SqliteConnectOptions::from_str(url)
        .map_err(unreadable)?
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .pragma("journal_size_limit", "67108864")
        // In pages, 64 MB. The writer checkpoints what `wal` has not checkpointed by then.
        .pragma("wal_autocheckpoint", "16000")
        // Keeps statement journals in memory. SQLite writes them for every page that a statement changes, and never
        // reads them after a crash.
        .pragma("temp_store", "MEMORY")
        // Each bulk statement is prepared in nine batch sizes.
        .statement_cache_capacity(500)
        // Rows that SQLite's thread passes on at once: as many as a bulk statement returns.
        .row_buffer_size(256)
        .disable_statement_logging())
}

/// What SQLite has to say of a connection that was made with [`options`].
fn promised() -> [(&'static str, &'static str); 4] {
    [
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("foreign_keys", "1"),
        ("busy_timeout", "5000"),
    ]
}

/// Refuses connections that lack the settings of [`options`]: SQLite reports this only in its answer, for instance
/// when a file system does not support a write-ahead log.
pub(super) async fn check(connections: &SqlitePool) -> Result<()> {
    for (pragma, wanted) in promised() {
        let row = sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}")))
            .fetch_one(connections)
            .await?;
        // Also for numbers: SQLite returns any value as text.
        let found: String = row.try_get_unchecked(0)?;
        if found != wanted {
            let says = format!(
                "SQLite has {pragma} = {found} where {wanted} is needed; put the file on a disk of this machine"
            );
            return Err(Error::Configuration(says.into()));
        }
    }
    Ok(())
}

/// Whether the connection's transaction has ended. When a disk is full or fails, SQLite rolls a transaction back by
/// itself. sqlx does not notice, and would never begin a transaction on that connection again, so the connection is
/// replaced.
async fn is_over(connection: &mut SqliteConnection) -> Result<bool> {
    // The ping runs after a pending rollback.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Whether another process was creating SQLite's file at the same time. For Postgres sqlx takes a lock, for SQLite
/// it does not: of two processes that start together one fails, and its retry finds the work done.
pub(super) fn is_in_the_way(error: &Error) -> bool {
    match error {
        Error::Migrate(error) => {
            let cause = match error.as_ref() {
                MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => cause,
                _ => return false,
            };
            is_of_sqlite(cause)
        }
        // SQLITE_BUSY: the switch to WAL mode does not wait for locks.
        error => is_of_sqlite(error) && error.as_database_error().is_some_and(is_busy),
    }
}

fn is_of_sqlite(error: &Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.try_downcast_ref::<SqliteError>().is_some())
}

fn is_busy(error: &dyn DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == 5)
}
