//! Billhook: the self-hosted front door to Stripe's billing portal.
//!
//! Map of the crate, and the only file with feature gates. `model`, `mask`, `islands` and the signatures in `api` are compiled
//! twice: for the server (`ssr`) and for the browser (`hydrate`). All other modules are server only, including the pages: a page
//! without an island downloads no program.
//!
//! Allowed dependencies: `operator` → `serve`, `domain`; `http` → `pages`, `islands` → `api` → `present` → `domain` →
//! `store`, `stripe`, `mail`. Each module may use all modules to its right; the last three may not use each other. Every module may
//! use `model`, `clock`, `backoff`, `timeouts`, `mask`, `log_throttle`, `text` and `config`. No module depends on one to its left.

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
mod redirects;
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

/// Memory that a request allocates is freed by the thread that commits it. With glibc's allocator, these cross-thread frees take
/// a fifth of the webhook's time.
#[cfg(feature = "ssr")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Entry point in the browser. The script that the server writes into pages with islands calls it once.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}

/// Prints a line to the terminal. All other output is logged.
#[cfg(feature = "ssr")]
pub fn say(line: &str) {
    use std::io::Write;
    // A closed pipe must not stop the server.
    let _ = writeln!(std::io::stdout(), "{line}");
}
