//! Databases for tests, one of its own for each test, and the macro that runs a test on both
//! engines.

use billhook::clock;
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};

#[derive(Clone, Copy, Debug)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// Runs each test, an `async fn(Engine)`, once on each engine.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::engines::Engine::Sqlite).await })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::engines::Engine::Postgres).await })+
        }
    };
}
pub(crate) use on_both_engines;

/// The address of a new, empty database: a file in a folder of its own, or a schema of its own.
pub async fn database_url(engine: Engine) -> String {
    let name = clock::new_id("t");
    match engine {
        Engine::Sqlite => {
            let folder = std::env::temp_dir().join("billhook-tests").join(&name);
            std::fs::create_dir_all(&folder).expect("a folder for the database");
            format!("sqlite://{}/billhook.db", folder.display())
        }
        Engine::Postgres => {
            let server = postgres_url();
            let options: PgConnectOptions =
                server.parse().expect("TEST_POSTGRES_URL is an address");
            let mut connection = options.connect().await.expect("the test database answers");
            let create = sqlx::AssertSqlSafe(format!("CREATE SCHEMA {name}"));
            connection
                .execute(create)
                .await
                .expect("a schema can be made");
            connection.close().await.expect("closed");
            let joint = if server.contains('?') { '&' } else { '?' };
            format!("{server}{joint}options[search_path]={name}")
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment where Postgres is"
)]
fn postgres_url() -> String {
    std::env::var("TEST_POSTGRES_URL").expect(
        "TEST_POSTGRES_URL is not set. `make test` starts a private Postgres and sets it; \
         `scripts/postgres.sh start` does so by hand.",
    )
}
