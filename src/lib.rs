//! Billhook: the self-hosted front door to Stripe's billing portal.
//!
//! Map of the crate, and the only place with feature gates. `model`, `mask`, `islands` and the signatures in
//! `api` are compiled twice: for the server (`ssr`) and for the browser (`hydrate`). All else is
//! server only, the pages too: a page without an island downloads no program.
//!
//! Who may use whom: `operator` → `serve`, `domain`; `http` → `pages`, `islands` → `api` → `present` → `domain` → `store`, `stripe`, `mail`,
//! each whatever is to its right, the last three not each other. `model`, `clock`, `backoff`, `timeouts`, `mask`,
//! `seldom`, `text` and `config` lie below all. Nothing points back.

pub mod api;
pub mod islands;
pub mod mask;
pub mod model;

#[cfg(feature = "ssr")]
pub mod answer;
#[cfg(feature = "ssr")]
pub mod app;
#[cfg(feature = "ssr")]
mod assets;
#[cfg(feature = "ssr")]
mod background;
#[cfg(feature = "ssr")]
mod backoff;
#[cfg(feature = "ssr")]
pub mod clock;
#[cfg(feature = "ssr")]
pub mod config;
#[cfg(feature = "ssr")]
pub mod cookies;
#[cfg(feature = "ssr")]
pub mod dev;
#[cfg(feature = "ssr")]
pub mod domain;
#[cfg(feature = "ssr")]
pub mod http;
#[cfg(feature = "ssr")]
pub mod log;
#[cfg(feature = "ssr")]
mod log_throttle;
#[cfg(feature = "ssr")]
pub mod mail;
#[cfg(feature = "ssr")]
pub mod operator;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod present;
#[cfg(feature = "ssr")]
pub mod serve;
#[cfg(feature = "ssr")]
pub mod store;
#[cfg(feature = "ssr")]
pub mod stripe;
#[cfg(feature = "ssr")]
mod text;
#[cfg(feature = "ssr")]
mod timeouts;

/// What a request allocates is freed by whoever commits it, on another thread: glibc's allocator
/// spends a fifth of the webhook's time on that.
#[cfg(feature = "ssr")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Called once by the script that the server writes into pages with islands.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}

/// Prints a line for the person at the terminal. Everything else is logged.
#[cfg(feature = "ssr")]
pub fn say(line: &str) {
    use std::io::Write;
    // A closed pipe is no reason to stop serving.
    let _ = writeln!(std::io::stdout(), "{line}");
}
