//! The caller of a request, as handlers see it. A middleware layer for browsers (`http::guard`) and one for machines and programs
//! (`http::machines`) authenticate it.

use crate::store::{Principal, session::Ended};

/// The caller. Every request that reaches a handler carries one in its extensions.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A person with a valid session.
    Visitor(Principal),
    /// A browser without a valid session. If its cookies belong to a session that has ended, the end of that.
    Nobody(Option<Ended>),
    /// A health probe, a webhook whose signature its handler verifies, or a program that needs no key.
    Machine,
}
