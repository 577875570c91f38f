//! What a request and its answer are made of. Knows nothing of what is stored.

pub mod clock;
pub mod error;
pub mod ids;
pub mod json;
pub mod listing;
pub mod params;
