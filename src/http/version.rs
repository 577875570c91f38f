//! `GET /api/v1/version`: the running release.

use axum::Json;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Version {
    /// As `billhook --version` prints it.
    version: &'static str,
}

pub async fn version() -> Json<Version> {
    Json(Version {
        version: env!("CARGO_PKG_VERSION"),
    })
}
