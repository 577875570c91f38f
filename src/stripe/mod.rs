//! Stripe as Billhook uses it: the signature on its webhooks, the fields of its objects that are
//! read, and the few calls that are made. Knows nothing of the database.

mod breaker;
pub mod click;
pub mod client;
pub mod event;
pub mod json;
pub mod locale;
pub mod pace;
pub mod path;
pub mod read;
pub mod signature;
pub mod words;

pub use client::Client;
pub use event::Event;
