//! The programs that are measured: each a process of its own, as in use.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{SECRET, setting};

/// How long a program may take until it serves.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program, which ends with this value.
pub struct Program {
    child: Child,
    pub address: SocketAddr,
    /// Kept open, so that what it prints never breaks a pipe.
    _output: Option<ChildStdout>,
}

impl Program {
    /// `billhook serve` on that database, asking that Stripe.
    pub async fn billhook(database_url: &str, stripe_url: &str) -> Program {
        let address = free_address();
        let child = billhook(database_url, stripe_url)
            .arg("serve")
            .env("BIND", address.to_string())
            .env("FRONTEND_URL", format!("http://{address}"))
            .stderr(Stdio::null())
            .spawn()
            .expect("billhook starts");
        let program = Program {
            child,
            address,
            _output: None,
        };
        let up = format!("http://{address}/up");
        let began = Instant::now();
        while !reqwest::get(&up).await.is_ok_and(|a| a.status() == 200) {
            assert!(began.elapsed() < PATIENCE, "billhook does not serve");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        program
    }

    /// `billhook-sandbox`, the stand-in for Stripe, which lies beside the program.
    pub fn stand_in() -> Program {
        let address = free_address();
        let mut command = Command::new(format!("{}-sandbox", binary()));
        command
            .args(["--listen", &address.to_string()])
            .stderr(Stdio::null());
        Program::printing(command, |_| Some(address))
    }

    /// A program whose first line says where it listens.
    pub fn printing(mut command: Command, address: impl Fn(&str) -> Option<SocketAddr>) -> Program {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        Program {
            child,
            address: address(line.trim()).expect("it says where it listens"),
            _output: Some(output.into_inner()),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Resident memory in MB: now, and the most that it was.
    pub fn memory(&self) -> (u64, u64) {
        let id = self.child.id();
        let of = |name| megabytes(id, name).expect("it still runs");
        (of("VmRSS"), of("VmHWM"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of `billhook` with its settings.
pub fn billhook(database_url: &str, stripe_url: &str) -> Command {
    let mut command = Command::new(binary());
    command
        .env("FRONTEND_URL", "http://127.0.0.1:1")
        .env("DATABASE_URL", database_url)
        .env("STRIPE_API_KEY", "sk_test_billhook")
        .env("STRIPE_API_BASE", stripe_url)
        .env("STRIPE_WEBHOOK_SECRET", SECRET)
        .env("SESSION_SECRET", "a bench secret of more than 32 bytes")
        .env("SMTP_URL", "smtp://127.0.0.1:1")
        .env("MAIL_FROM", "billing@example.com")
        .stdin(Stdio::null());
    command
}

fn binary() -> String {
    setting("BILLHOOK_BIN").unwrap_or_else(|| "target/release/billhook".to_owned())
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Resident memory of a process in MB; none when it has ended.
pub fn resident(id: u32) -> Option<u64> {
    megabytes(id, "VmRSS")
}

fn megabytes(id: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes.div_ceil(1024))
}
