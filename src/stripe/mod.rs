//! Stripe's API as Billhook uses it: webhook signatures, the fields that are read from its objects, and the few
//! calls that are made. Does not use the database.

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
