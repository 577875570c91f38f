//! Logging. The program writes its own entries without secrets. Entries of dependencies and texts of remote servers are
//! redacted: keys and email addresses are masked.

use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{config, mask::masked};

/// Starts logging to stderr with the filter from `RUST_LOG`, or `usual`, capped by [`most`].
pub fn start(usual: &str) {
    tracing_subscriber::fmt()
        .with_env_filter(config::log_filter(usual))
        .with_writer(|| Masked(io::stderr()))
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .finish()
        .with(most())
        .init();
    std::panic::set_hook(Box::new(|panic| {
        // A panic message may contain personal data, so only its location is logged.
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, "the program broke at this place of its code");
    }));
}

/// The maximum log level by target, whatever `RUST_LOG` says. Below `info`, dependencies log headers, frames and SQL queries.
/// sqlx logs the parts of a database URL that it does not understand, and the line of a password file.
fn most() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("billhook", LevelFilter::TRACE)
        .with_target("sqlx", LevelFilter::WARN)
        .with_target("sqlx_postgres::options", LevelFilter::OFF)
}

/// Redacts what is written. The subscriber writes each entry in one call.
struct Masked<W>(W);

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        self.0.write_all(masked(&text).as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn checklist_66_no_wish_of_the_operator_makes_dependencies_talkative() {
        let most = most();
        for talkative in [
            "h2::codec",
            "hyper_util::client",
            "rustls",
            "reqwest",
            "lettre",
        ] {
            assert!(!most.would_enable(talkative, &Level::DEBUG), "{talkative}");
            assert!(most.would_enable(talkative, &Level::INFO), "{talkative}");
        }
        assert!(!most.would_enable("sqlx_core::logger", &Level::INFO));
        assert!(!most.would_enable("sqlx_postgres::options::pgpass", &Level::ERROR));
        assert!(most.would_enable("sqlx_core::pool", &Level::WARN));
        assert!(most.would_enable("billhook::domain::session", &Level::TRACE));
    }

    #[test]
    fn checklist_66_what_passes_into_the_log_is_masked() {
        let mut log = Masked(Vec::new());
        let entry = "WARN error=550 5.1.1 <ada@example.com> unknown, key=sk_test_fake email=a…a@example.com\n";
        log.write_all(entry.as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(log.0).unwrap(),
            "WARN error=550 5.1.1 <[address]> unknown, [key] email=a…a@example.com\n"
        );
    }
}
