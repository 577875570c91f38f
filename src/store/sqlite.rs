//! What is particular to SQLite: how its connections are made, what they promise, and what goes wrong
//! with them alone.

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

/// One connection that writes, and some that read, which are made when they are needed.
pub(super) async fn pools(options: SqliteConnectOptions) -> Result<(SqlitePool, SqlitePool)> {
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(timeouts::DATABASE)
            // It was looked at when it came back, and a file does not hang up.
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

/// Durable as an acknowledgement demands: with WAL, FULL syncs at every commit, so that an event
/// answered 200 survives a power loss.
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
        // Pages, 64 MB of them: what `wal` has not moved by then the writer does.
        .pragma("wal_autocheckpoint", "16000")
        // What takes back half a statement is kept in memory: it is written for every page that the
        // statement touches, and never read after a crash.
        .pragma("temp_store", "MEMORY")
        // Every statement about many rows comes in nine sizes.
        .statement_cache_capacity(500)
        // As many rows pass at once from SQLite's thread as a statement has.
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

/// Refuses connections that are not what [`options`] asked for: SQLite says so in its answer alone,
/// for instance where a file system cannot hold a write-ahead log.
pub(super) async fn check(connections: &SqlitePool) -> Result<()> {
    for (pragma, wanted) in promised() {
        let row = sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}")))
            .fetch_one(connections)
            .await?;
        // Numbers too: SQLite gives whatever it has as text.
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

/// Whether the connection's transaction has ended. When a disk is full or fails, SQLite takes a
/// transaction back by itself; sqlx does not notice, and would never begin another one on that
/// connection, so it is replaced.
async fn is_over(connection: &mut SqliteConnection) -> Result<bool> {
    // It answers after the roll-back that waits, if one does.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Whether SQLite's file was being made by another process just then. Unlike with Postgres, sqlx has no
/// lock for that: of two that start at once one fails, and then finds done what it wanted to do.
pub(super) fn is_in_the_way(error: &Error) -> bool {
    match error {
        Error::Migrate(error) => {
            let cause = match error.as_ref() {
                MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _) => cause,
                _ => return false,
            };
            is_of_sqlite(cause)
        }
        // SQLITE_BUSY: turning to the write-ahead log waits for nobody.
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
