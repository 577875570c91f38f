//! Islands: components that run in the browser as WebAssembly. Each is rendered on the server first and must be useful without
//! JavaScript. No island reads a clock, a locale or a random number while it renders, so that server and browser render the same
//! (hydration). Such values come from effects, which run only in the browser.

pub mod browser;
mod card;
mod customer_list;

pub use customer_list::CustomerList;
