//! A new database for each measurement.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::setting;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// An empty database, which goes with this value.
pub struct Database {
    pub url: String,
    folder: Option<PathBuf>,
}

impl Database {
    /// None where there is no Postgres to measure.
    pub async fn new(engine: Engine) -> Option<Database> {
        match engine {
            Engine::Sqlite => {
                let folder = std::env::temp_dir().join(billhook::clock::new_id("billhook-bench"));
                std::fs::create_dir_all(&folder).expect("a folder");
                Some(Database {
                    url: format!("sqlite://{}/billhook.db", folder.display()),
                    folder: Some(folder),
                })
            }
            Engine::Postgres => Some(Database {
                url: on_postgres().await?,
                folder: None,
            }),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// The one of the measurement before goes first, so that the disk never holds more than one.
async fn on_postgres() -> Option<String> {
    const NAME: &str = "billhook_bench";
    let url = setting("BENCH_POSTGRES_URL")?;
    let mut connection = PgConnection::connect(&url).await.expect("Postgres answers");
    for statement in [
        format!("DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"),
        format!("CREATE DATABASE {NAME}"),
    ] {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut connection)
            .await
            .expect("a new database");
    }
    let (server, _) = url.rsplit_once('/').expect("the name of a database");
    Some(format!("{server}/{NAME}"))
}
