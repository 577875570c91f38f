//! The stand-in by its own doors: its API, its pages, its webhooks, and its program.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets what it does not expect fails"
)]

mod billing;
mod client;
mod layers;
mod orders;
mod portal;
mod program;
mod start_page;
