//! The figures of `make bench`: measured over real sockets on this machine, printed, and compared
//! with a bare limit or with another mirror in the same run. Nothing is asserted here.
//!
//! ```text
//! cargo bench -- [ingest] [pages] [portal] [volume]     some of them; all without
//! ```
//!
//! `BILLHOOK_BIN` is the program, `BENCH_POSTGRES_URL` a Postgres that flushes to the disk, and
//! `BENCH_PEER` the script of the other mirror's host. Without the last two their lines are missing.

#![expect(
    clippy::expect_used,
    reason = "a measurement that meets what it does not expect ends"
)]

mod children;
mod clients;
mod databases;
mod events;
mod ingest;
mod pages;
mod portal;
mod volume;

/// What signs the events everywhere.
pub const SECRET: &str = "whsec_test_billhook";

fn main() {
    let words: Vec<_> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    // An error means that it was chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    if words == [ingest::SIGNATURE_ONLY] {
        return runtime.block_on(ingest::serve_signature_only());
    }
    let is_wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    runtime.block_on(async {
        if is_wanted("ingest") {
            ingest::measure().await;
        }
        if is_wanted("pages") {
            pages::measure().await;
        }
        if is_wanted("portal") {
            portal::measure().await;
        }
        if is_wanted("volume") {
            volume::measure().await;
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "these are the bench's own settings, not the program's"
)]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
