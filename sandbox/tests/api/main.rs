//! The stand-in by its own doors: its API, its pages, its webhooks, and its program.

mod billing;
mod client;
mod orders;
mod portal;
mod program;
mod start_page;
