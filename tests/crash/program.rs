//! The program itself, as its operator runs it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use billhook::clock;
use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};

pub const SECRET: &str = "whsec_test_billhook";

/// Killed with SIGKILL when this goes, however the run ends.
pub struct Program {
    child: Child,
    url: String,
}

impl Program {
    /// Starts it and returns when it says that it listens.
    pub async fn start(database_url: &str) -> Program {
        let database_url = database_url.to_owned();
        tokio::task::spawn_blocking(move || Program::spawn(&database_url))
            .await
            .expect("it starts")
    }

    fn spawn(database_url: &str) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_billhook"));
        command
            .arg("serve")
            .env_clear()
            .env("BIND", "127.0.0.1:0")
            .env("FRONTEND_URL", "http://127.0.0.1:3000")
            .env("DATABASE_URL", database_url)
            .env("STRIPE_API_KEY", "rk_test_billhook")
            // Nobody is there.
            .env("STRIPE_API_BASE", "http://127.0.0.1:9")
            .env("STRIPE_WEBHOOK_SECRET", SECRET)
            .env("SESSION_SECRET", "a test secret of more than 32 bytes")
            .env("SMTP_URL", "smtp://127.0.0.1:9")
            .env("MAIL_FROM", "billing@example.com")
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(tooth) = tooth() {
            command.env("BILLHOOK_TOOTH", tooth);
        }
        let mut child = command.spawn().expect("the program can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = lines
            .next()
            .expect("it says that it listens")
            .expect("text");
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split(',').next())
            .expect("an address");
        Program {
            url: format!("http://{address}/webhooks/stripe"),
            child,
        }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The fault that `scripts/teeth.sh` asks for.
#[expect(
    clippy::disallowed_methods,
    reason = "a run is told by its environment"
)]
fn tooth() -> Option<String> {
    std::env::var("BILLHOOK_TOOTH").ok()
}

/// A new, empty database: a file in a folder of its own, or a schema of its own.
#[expect(
    clippy::disallowed_methods,
    reason = "a run is told by its environment where Postgres is"
)]
pub async fn database(engine: &str) -> String {
    let name = clock::new_id("crash");
    if engine == "sqlite" {
        let folder = std::env::temp_dir().join("billhook-tests").join(&name);
        std::fs::create_dir_all(&folder).expect("a folder for the database");
        return format!("sqlite://{}/billhook.db", folder.display());
    }
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
