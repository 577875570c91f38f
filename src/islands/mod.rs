//! The pieces that run in the browser as WebAssembly. Each is rendered on the server first and must
//! be of use without JavaScript. No island reads a clock, a locale or chance while it renders, so
//! that server and browser render the same; such things come in effects, which run in the browser
//! alone.

pub mod browser;
mod card;
mod customer_list;

pub use customer_list::CustomerList;
