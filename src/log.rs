//! The log. What the program itself writes is written with care; what others write into it, be it a
//! dependency or the words of a server, is let through as far as it tells no secret.

use std::io::{self, IsTerminal, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{config, mask::masked};

/// Starts the log on stderr: what `RUST_LOG` asks for, or `usual`, but no more than [`most`].
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
        // What it says may hold anything, so only where it was is written down.
        let at = panic.location().map(ToString::to_string);
        tracing::error!(at, "the program broke at this place of its code");
    }));
}

/// Below `info` dependencies tell of headers, frames and what is asked of the database: they are never
/// heard there, whatever the operator asks for. Of addresses of databases sqlx prints what it does not
/// understand, and of files with passwords the line.
fn most() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("billhook", LevelFilter::TRACE)
        .with_target("sqlx", LevelFilter::WARN)
        .with_target("sqlx_postgres::options", LevelFilter::OFF)
}

/// Masks what passes through. Entries come whole, one at a time.
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
