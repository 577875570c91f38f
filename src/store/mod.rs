//! The database, on SQLite or Postgres. This file owns connections, transactions and the way one query text runs on
//! both engines; each table or subject has its own file with its queries.
//!
//! To add a table: write the migration in both folders (same number and name), add a file here with free functions
//! that take `&mut Tx`, and write contract tests for them. Queries use `$1` placeholders, TEXT and BIGINT columns,
//! `ON CONFLICT` and `RETURNING`, which work the same on both engines. Look-ups return `Option`.

pub mod audit;
pub mod bulk;
pub mod card_rows;
pub mod customer;
pub mod device;
pub mod diagnostics;
pub mod erased;
pub mod erasures;
pub mod event;
pub mod file;
pub mod lock;
pub mod mirror;
pub mod missing_objects;
pub mod outbox;
pub mod progress;
pub mod rate_limit;
pub mod row;
pub mod session;
pub mod sign_in;
mod sqlite;
mod wal;
pub mod words;

use std::{
    ops::{Deref, DerefMut},
    str::FromStr,
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use sqlx::{
    ConnectOptions, Connection, Database, Executor, PgPool, Postgres, Sqlite, SqlitePool,
    error::DatabaseError,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteError},
};

pub use session::Principal;

use wal::Wal;

/// An error of the database. Never shown to a visitor.
pub type Error = sqlx::Error;
pub type Result<T> = std::result::Result<T, Error>;

/// Whether the database as a whole is unavailable or cannot write now, so that retrying another statement is
/// pointless.
pub fn is_away(error: &Error) -> bool {
    match error {
        Error::PoolTimedOut | Error::PoolClosed | Error::Io(_) => true,
        Error::Database(error) => cannot_work(error.as_ref()),
        _ => false,
    }
}

/// Whether the machine is at fault and not the statement: a full or failing disk, a lock timeout, a server that is
/// shutting down.
fn cannot_work(error: &dyn DatabaseError) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    if error.try_downcast_ref::<SqliteError>().is_some() {
        // The low byte is the primary result code (<https://sqlite.org/rescode.html>): BUSY, LOCKED, NOMEM,
        // READONLY; IOERR; FULL, CANTOPEN.
        return code
            .parse::<i32>()
            .is_ok_and(|code| matches!(code & 0xff, 5..=8 | 10 | 13 | 14));
    }
    // Postgres: the classes "connection exception", "insufficient resources", "operator intervention" (except a
    // cancelled query) and "system error", a lock timeout, an idle transaction timeout, and a read-only server
    // (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    ["08", "53", "55P03", "57P", "58", "25P03", "25006"]
        .iter()
        .any(|class| code.starts_with(class))
}

/// A connection used within this time is not tested before use: testing each time would add a round trip to every
/// commit.
const UNTRIED: Duration = Duration::from_secs(1);

/// Timeout of waiting for a transaction. The transaction itself continues or ends by itself. When the machine of
/// Postgres disappears, nothing else may report it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Retries, and the pause between them, when two processes initialise the same SQLite file at the same time.
const STARTS: usize = 10;
const START_PAUSE: Duration = Duration::from_millis(200);

/// The database. Clones share their connection pools.
#[derive(Clone, Debug)]
pub enum Store {
    /// SQLite allows one writer, so the writer pool has one connection. Our queue for it is fair; waiting for
    /// SQLite's lock is not.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        wal: Wal,
    },
    Postgres(PgPool),
}

/// A transaction, or a connection outside a transaction, where each statement sees what is committed at that time.
#[derive(Debug)]
pub enum On<DB: Database> {
    Transaction(sqlx::Transaction<'static, DB>),
    Connection(PoolConnection<DB>),
}

impl<DB: Database> Deref for On<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        match self {
            On::Transaction(tx) => tx,
            On::Connection(connection) => connection,
        }
    }
}

impl<DB: Database> DerefMut for On<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        match self {
            On::Transaction(tx) => tx,
            On::Connection(connection) => connection,
        }
    }
}

/// What statements run on. A transaction that is dropped without the commit in [`Store`] rolls back.
#[derive(Debug)]
pub enum Tx {
    Sqlite(On<Sqlite>),
    Postgres(On<Postgres>),
}

/// Runs the same query text with the same bindings on the engine of the transaction.
macro_rules! on {
    ($tx:expr, $connection:ident => $query:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => {
                let $connection = &mut **tx;
                $query
            }
            $crate::store::Tx::Postgres(tx) => {
                let $connection = &mut **tx;
                $query
            }
        }
    };
}
pub(crate) use on;

impl Store {
    /// Connects to `sqlite://path` (creating the file if it is missing) or `postgres://…`, and runs the migrations.
    pub async fn connect(url: &str) -> Result<Store> {
        for _ in 0..STARTS {
            match Store::start(url).await {
                Err(error) if sqlite::is_in_the_way(&error) => {
                    tokio::time::sleep(START_PAUSE).await
                }
                done => return done,
            }
        }
        Store::start(url).await
    }

    async fn start(url: &str) -> Result<Store> {
        let store = if url.starts_with("sqlite:") {
            if let Some(file) = file::of_url(url)
                && let Err(error) = file::keep_private(&file)
            {
                let file = file.display().to_string();
                tracing::error!(%error, file, "other users of this machine may open the database, and its owner must see to that: chmod 600 it and the files beside it");
            }
            Store::of_file(sqlite::options(url)?).await?
        } else {
            Store::open(url).await?
        };
        if let Store::Sqlite { writer, .. } = &store {
            sqlite::check(writer).await?;
        }
        store.migrate().await?;
        Ok(store)
    }

    /// Connects to an existing database, without running migrations.
    pub async fn open(url: &str) -> Result<Store> {
        if url.starts_with("sqlite:") {
            Store::of_file(sqlite::usual_options(url)?.create_if_missing(false)).await
        } else {
            // Timeouts: a client that hangs in the middle of a transaction must not block the others for long.
            // Sequential scans are off: a plan with a full table scan, cached while the table was new and empty,
            // would stay in use while the table grows unnoticed.
            const SETTINGS: &str = "SET lock_timeout = '4s';
                SET idle_in_transaction_session_timeout = '30s';
                SET enable_seqscan = off; SET jit = off";
            let options = PgConnectOptions::from_str(url).map_err(unreadable)?;
            let options = options.disable_statement_logging();
            let pool = PgPoolOptions::new()
                .after_connect(|connection, _| {
                    async move { connection.execute(SETTINGS).await.map(drop) }.boxed()
                })
                .max_connections(16)
                .acquire_timeout(crate::timeouts::DATABASE)
                .test_before_acquire(false)
                .before_acquire(|connection, seen| {
                    async move {
                        if seen.idle_for > UNTRIED {
                            connection.ping().await?;
                        }
                        Ok(true)
                    }
                    .boxed()
                })
                .connect_with(options)
                .await?;
            Ok(Store::Postgres(pool))
        }
    }

    async fn of_file(options: SqliteConnectOptions) -> Result<Store> {
        let (writer, readers) = sqlite::pools(options).await?;
        let wal = Wal::start(readers.clone());
        Ok(Store::Sqlite {
            writer,
            readers,
            wal,
        })
    }

    async fn migrate(&self) -> Result<()> {
        match self {
            Store::Sqlite { writer, .. } => sqlx::migrate!("migrations/sqlite").run(writer).await?,
            Store::Postgres(pool) => sqlx::migrate!("migrations/postgres").run(pool).await?,
        }
        Ok(())
    }

    /// Runs `work` in a read-write transaction and commits it.
    ///
    /// The transaction runs in its own task: a request that is cancelled in the middle cannot leave an open
    /// transaction on a pooled connection (sqlx issues 4385 and 4393).
    pub async fn write<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let store = self.clone();
        detached(async move {
            let mut tx = match &store {
                // BEGIN IMMEDIATE takes the write lock first. A transaction that reads first and writes later could
                // fail with SQLITE_BUSY half way.
                Store::Sqlite { writer, .. } => {
                    let begun = writer.begin_with("BEGIN IMMEDIATE").await?;
                    Tx::Sqlite(On::Transaction(begun))
                }
                Store::Postgres(pool) => Tx::Postgres(On::Transaction(pool.begin().await?)),
            };
            let value = work(&mut tx).await?;
            tx.commit().await?;
            if let Store::Sqlite { wal, .. } = &store {
                wal.has_grown();
            }
            Ok(value)
        })
        .await
    }

    /// Runs `work` in a read-only transaction.
    pub async fn read<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let store = self.clone();
        detached(async move {
            let mut tx = store.begin_read().await?;
            work(&mut tx).await
        })
        .await
    }

    /// Like [`Store::read`], for work that is mostly one statement: without a transaction, whose BEGIN and COMMIT
    /// would cost as much again.
    pub async fn look<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let store = self.clone();
        detached(async move {
            let mut tx = match &store {
                Store::Sqlite { readers, .. } => {
                    Tx::Sqlite(On::Connection(readers.acquire().await?))
                }
                Store::Postgres(pool) => Tx::Postgres(On::Connection(pool.acquire().await?)),
            };
            work(&mut tx).await
        })
        .await
    }

    /// Runs `work`, which only reads, with the rights of one customer. On Postgres row-level security hides all
    /// other customers' rows until the transaction ends. On SQLite only the queries' `Principal` scopes the rows,
    /// and this works like [`Store::look`].
    pub async fn read_as<T, W>(&self, principal: &Principal, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let store = self.clone();
        let email = principal.email().to_owned();
        detached(async move {
            let mut tx = match &store {
                Store::Sqlite { readers, .. } => {
                    Tx::Sqlite(On::Connection(readers.acquire().await?))
                }
                Store::Postgres(pool) => {
                    let mut tx = pool.begin().await?;
                    // One round trip sets both; both end with the transaction.
                    const CLAIM: &str = "SELECT set_config('role', 'billhook_customer', true),
                        set_config('billhook.email', $1, true)";
                    sqlx::query(CLAIM).bind(email).execute(&mut *tx).await?;
                    Tx::Postgres(On::Transaction(tx))
                }
            };
            work(&mut tx).await
        })
        .await
    }

    /// Whether a transaction can begin.
    pub async fn answers(&self) -> Result<()> {
        self.read(|_| async { Ok(()) }.boxed()).await
    }

    async fn begin_read(&self) -> Result<Tx> {
        Ok(match self {
            Store::Sqlite { readers, .. } => Tx::Sqlite(On::Transaction(readers.begin().await?)),
            Store::Postgres(pool) => Tx::Postgres(On::Transaction(pool.begin().await?)),
        })
    }

    /// Closes all connections after the queries in flight.
    pub async fn close(&self) {
        match self {
            Store::Sqlite {
                writer, readers, ..
            } => {
                readers.close().await;
                writer.close().await;
            }
            Store::Postgres(pool) => pool.close().await,
        }
    }
}

/// For a FROM clause: returns one row after Postgres has locked the ids in `$1`.
macro_rules! locks {
    () => {
        "(SELECT COUNT(pg_advisory_xact_lock(key)) FROM
            (SELECT DISTINCT hashtextextended(id, 0) AS key
             FROM UNNEST($1) AS id ORDER BY key) AS ordered) AS locked"
    };
}
pub(crate) use locks;

impl Tx {
    async fn commit(self) -> Result<()> {
        match self {
            Tx::Sqlite(On::Transaction(tx)) => tx.commit().await,
            Tx::Postgres(On::Transaction(tx)) => tx.commit().await,
            Tx::Sqlite(On::Connection(_)) | Tx::Postgres(On::Connection(_)) => Ok(()),
        }
    }

    /// The database's clock, in unix seconds: the same for all processes, whatever the clocks of their machines
    /// show. On SQLite it is the machine's clock.
    pub async fn clock(&mut self) -> Result<i64> {
        match self {
            Tx::Sqlite(tx) => {
                const SQL: &str = "SELECT unixepoch()";
                sqlx::query_scalar(SQL).fetch_one(&mut **tx).await
            }
            // Not the start time of the transaction, which may have waited for a lock.
            Tx::Postgres(tx) => {
                const SQL: &str =
                    "SELECT CAST(FLOOR(EXTRACT(EPOCH FROM clock_timestamp())) AS BIGINT)";
                sqlx::query_scalar(SQL).fetch_one(&mut **tx).await
            }
        }
    }

    /// Locks these objects against writes of other transactions until this transaction ends. Only Postgres needs
    /// it: SQLite has one writer. All transactions take the locks in the same order, which prevents deadlocks.
    pub async fn lock(&mut self, ids: &[&str]) -> Result<()> {
        if let Tx::Postgres(tx) = self {
            const SQL: &str = concat!("SELECT COUNT(*) FROM ", locks!());
            sqlx::query(SQL).bind(ids).execute(&mut **tx).await?;
        }
        Ok(())
    }
}

/// The original error repeats the unreadable text, which may contain a password.
fn unreadable(_: Error) -> Error {
    Error::Configuration("DATABASE_URL cannot be read".into())
}

async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::time::timeout(PATIENCE, tokio::spawn(work)).await {
        Ok(done) => done.unwrap_or_else(|_| Err(Error::WorkerCrashed)),
        Err(_) => {
            tracing::error!("the database has said nothing for {PATIENCE:?}");
            Err(Error::PoolTimedOut)
        }
    }
}
