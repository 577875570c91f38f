//! Visits of the portal page, and how long they last.

use crate::state::{State, portal_session::PortalSession};

/// How long a visited page stays.
const OPENED: i64 = 60 * 60;

impl State {
    /// The session of a link that still works; a visit prolongs it.
    pub fn visit_portal(&mut self, token: &str, now: i64) -> Option<PortalSession> {
        self.portal_sessions
            .retain(|_, session| session.expires_at > now);
        let session = self.portal_sessions.get_mut(token)?;
        session.expires_at = now + OPENED;
        Some(session.clone())
    }
}
