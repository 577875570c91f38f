//! Checks of the database for `billhook doctor`, `billhook restore` and the readiness check. Only [`write`] commits
//! a row.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::FutureExt;
use sqlx::migrate::Migrator;

use super::{Error, Result, Store, Tx, on, progress};

/// The database's migrations compared with those of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Migrations that the program has and the database does not have.
    pub missing: usize,
    /// Migrations that only the database has: a newer version of the program applied them.
    pub unknown: usize,
    /// Applied migrations. With 0, the database is empty or belongs to another program.
    pub applied: usize,
}

/// Compares the migrations.
pub async fn tables(store: &Store) -> Result<Tables> {
    const EXISTS: [&str; 2] = [
        "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        "SELECT COUNT(to_regclass('_sqlx_migrations'))",
    ];
    const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success";
    let [in_sqlite, in_postgres] = EXISTS;
    let (known, applied): (Migrator, Vec<i64>) = match store {
        Store::Sqlite { readers, .. } => {
            let exists: i64 = sqlx::query_scalar(in_sqlite).fetch_one(readers).await?;
            let applied = match exists {
                0 => Vec::new(),
                _ => sqlx::query_scalar(APPLIED).fetch_all(readers).await?,
            };
            (sqlx::migrate!("migrations/sqlite"), applied)
        }
        Store::Postgres(pool) => {
            let exists: i64 = sqlx::query_scalar(in_postgres).fetch_one(pool).await?;
            let applied = match exists {
                0 => Vec::new(),
                _ => sqlx::query_scalar(APPLIED).fetch_all(pool).await?,
            };
            (sqlx::migrate!("migrations/postgres"), applied)
        }
    };
    let known: BTreeSet<i64> = known.iter().map(|migration| migration.version).collect();
    let applied: BTreeSet<i64> = applied.into_iter().collect();
    Ok(Tables {
        missing: known.difference(&applied).count(),
        unknown: applied.difference(&known).count(),
        applied: applied.len(),
    })
}

/// Whether the database can be written: inserts a row and rolls back.
pub async fn rehearse(store: &Store, now: i64) -> Result<()> {
    let write = store.write(move |tx| {
        async move {
            progress::set(tx, "doctor", "", now).await?;
            // `Store::write` rolls back when the work returns an error.
            Err::<(), _>(Error::RowNotFound)
        }
        .boxed()
    });
    match write.await {
        Err(Error::RowNotFound) => Ok(()),
        other => other,
    }
}

/// Commits one small row, and checks in a savepoint, which is rolled back, that there is disk space for more.
pub async fn write(store: &Store, now: i64) -> Result<()> {
    /// Characters; they fill several pages.
    const MORE: usize = 32 * 1024;
    let write = store.write(move |tx| {
        async move {
            execute(tx, "SAVEPOINT room").await?;
            progress::set(tx, "room", &"x".repeat(MORE), now).await?;
            execute(tx, "ROLLBACK TO SAVEPOINT room").await?;
            progress::set(tx, "ready", "", now).await
        }
        .boxed()
    });
    write.await
}

async fn execute(tx: &mut Tx, sql: &'static str) -> Result<()> {
    on!(tx, connection => sqlx::query(sql).execute(connection).await.map(drop))
}

/// Integrity of a database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Whole,
    Damaged,
    /// The timeout passed before the whole file was read. No damage was found until then.
    WholeSoFar,
}

/// Integrity check of SQLite's file. It reads the whole file, up to the timeout `patience`. Postgres checks its own
/// files.
pub async fn health(store: &Store, patience: Duration) -> Result<Health> {
    /// Virtual machine instructions of SQLite between two checks of the timeout.
    const STEPS: i32 = 1000;
    let Store::Sqlite { readers, .. } = store else {
        return Ok(Health::Whole);
    };
    let mut connection = readers.acquire().await?;
    let end = Instant::now() + patience;
    connection
        .lock_handle()
        .await?
        .set_progress_handler(STEPS, move || Instant::now() < end);
    let said: Result<String> = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(&mut *connection)
        .await;
    connection.lock_handle().await?.remove_progress_handler();
    match said {
        Ok(said) if said == "ok" => Ok(Health::Whole),
        Ok(_) => Ok(Health::Damaged),
        Err(_) if Instant::now() >= end => Ok(Health::WholeSoFar),
        Err(error) => Err(error),
    }
}

/// Whether the role that row-level security needs exists or can be created. SQLite needs none.
pub async fn may_make_role(store: &Store) -> Result<bool> {
    const SQL: &str = "SELECT COUNT(*) FROM pg_roles WHERE rolname = 'billhook_customer'
        OR (rolname = current_user AND (rolcreaterole OR rolsuper))";
    match store {
        Store::Sqlite { .. } => Ok(true),
        Store::Postgres(pool) => {
            let count: i64 = sqlx::query_scalar(SQL).fetch_one(pool).await?;
            Ok(count > 0)
        }
    }
}
