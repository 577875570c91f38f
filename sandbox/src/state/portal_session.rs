//! What the portal page knows of a visit.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the portal page needs; the token in the link is the key to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PortalSession {
    pub customer: String,
    pub return_url: Option<String>,
    /// Null, or the flow as the API shows it.
    pub flow: Value,
    pub expires_at: i64,
}
