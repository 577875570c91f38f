//! One file per screen, rendered on the server. To add one, follow `check.rs`: a component that asks `domain` for its data and
//! renders it in the [`frame::Frame`].

pub mod billing;
pub mod check;
pub mod confirm;
pub mod devices;
pub mod email_form;
pub mod ended;
pub mod frame;
pub mod message;
pub mod no_cookies;
pub mod not_found;
