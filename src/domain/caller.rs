//! Who asks, as handlers see it. A layer for browsers (`http::guard`) and one for machines and programs
//! (`http::machines`) find it out.

use crate::store::{Principal, session::Ended};

/// Who asks. Every request that reaches a handler carries one in its extensions.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A person with a live session.
    Visitor(Principal),
    /// A browser without a session; with the session that its cookies were of, if that has ended.
    Nobody(Option<Ended>),
    /// A probe, a webhook whose signature its handler verifies, or a program that needs no key.
    Machine,
}
