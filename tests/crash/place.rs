//! Where the program keeps its data, and what a power cut leaves of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use billhook::clock;
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};

/// What is run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    Sqlite,
    /// SQLite on a disk that keeps nothing but what was flushed, and loses its power at each kill.
    SqlitePowerCut,
    Postgres,
}

/// A new, empty database: a file in a folder of its own, or a schema of its own.
pub struct Place {
    pub database_url: String,
    pub disk: Option<Disk>,
}

impl Place {
    pub async fn new(engine: Engine) -> Place {
        if engine == Engine::Postgres {
            return Place {
                database_url: schema().await,
                disk: None,
            };
        }
        let folder = std::env::temp_dir()
            .join("billhook-tests")
            .join(clock::new_id("crash"));
        let data = folder.join("data");
        fs::create_dir_all(&data).expect("a folder for the database");
        Place {
            database_url: format!("sqlite://{}/billhook.db", data.display()),
            disk: (engine == Engine::SqlitePowerCut).then(|| Disk::new(&folder, data)),
        }
    }
}

/// See `power.c`.
pub struct Disk {
    data: PathBuf,
    pub flushed: PathBuf,
    pub library: PathBuf,
}

impl Disk {
    fn new(folder: &Path, data: PathBuf) -> Disk {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/power.c");
        let (flushed, library) = (folder.join("flushed"), folder.join("power.so"));
        fs::create_dir_all(&flushed).expect("a folder for what is flushed");
        let compiled = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .args([&library, Path::new(source)])
            .status()
            .expect("a C compiler");
        assert!(compiled.success(), "power.c cannot be compiled");
        Disk {
            data,
            flushed,
            library,
        }
    }

    /// Takes everything away that was not flushed. Nobody may be running on it.
    pub fn lose_power(&self) {
        fs::remove_dir_all(&self.data).expect("the data is removed");
        fs::create_dir_all(&self.data).expect("its folder is made again");
        for entry in fs::read_dir(&self.flushed).expect("what was flushed") {
            let entry = entry.expect("a file");
            // A name with a dot in front is a flush that did not come to its end.
            if !entry.file_name().to_string_lossy().starts_with('.') {
                fs::copy(entry.path(), self.data.join(entry.file_name())).expect("a copy");
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a run is told by its environment where Postgres is"
)]
async fn schema() -> String {
    let name = clock::new_id("crash");
    let server = std::env::var("TEST_POSTGRES_URL").expect("TEST_POSTGRES_URL; see `make test`");
    let options: PgConnectOptions = server.parse().expect("an address");
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
