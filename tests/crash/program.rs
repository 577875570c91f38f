//! The program itself, as its operator runs it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::place::Place;

pub const SECRET: &str = "whsec_test_billhook";

/// Killed with SIGKILL when this goes, however the run ends.
pub struct Program {
    child: Child,
    url: String,
}

impl Program {
    /// Starts it and returns when it says that it listens.
    pub async fn start(place: &Place) -> Program {
        let command = Program::command(place);
        tokio::task::spawn_blocking(move || Program::spawn(command))
            .await
            .expect("it starts")
    }

    fn command(place: &Place) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_billhook"));
        command
            .arg("serve")
            .env_clear()
            .env("BIND", "127.0.0.1:0")
            .env("FRONTEND_URL", "http://127.0.0.1:3000")
            .env("DATABASE_URL", &place.database_url)
            .env("STRIPE_API_KEY", "rk_test_billhook")
            // Nobody is there.
            .env("STRIPE_API_BASE", "http://127.0.0.1:9")
            .env("STRIPE_WEBHOOK_SECRET", SECRET)
            .env("SESSION_SECRET", "a test secret of more than 32 bytes")
            .env("SMTP_URL", "smtp://127.0.0.1:9")
            .env("MAIL_FROM", "billing@example.com")
            .env(
                "LEPTOS_SITE_ROOT",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site"),
            )
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(disk) = &place.disk {
            command
                .env("LD_PRELOAD", &disk.library)
                .env("BILLHOOK_FLUSHED", &disk.flushed);
        }
        command
    }

    fn spawn(mut command: Command) -> Program {
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
