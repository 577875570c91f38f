//! `GET /ready`: whether to send requests here. It says 503 while the database does not answer, and
//! from the moment on that the program is to end, so that a load balancer looks elsewhere first.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{extract::State, http::StatusCode, response::IntoResponse};

use super::Site;

/// The database has this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Whoever asked in this time will ask again, and is given [`NOTICE`].
const ASKED_LATELY: Duration = Duration::from_secs(60);
/// Connections are still taken for so long after [`Readiness::end`], for those who ask every second.
const NOTICE: Duration = Duration::from_secs(2);

/// Whether the program is ending, and whether anybody asks.
#[derive(Debug, Default)]
pub struct Readiness {
    is_ending: AtomicBool,
    asked_at: Mutex<Option<Instant>>,
}

impl Readiness {
    /// From now on the answer is 503. Returns when whoever asks has had time to hear it; at once if
    /// nobody asks.
    pub async fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        let asked_at = *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if asked_at.is_some_and(|at| at.elapsed() < ASKED_LATELY) {
            tokio::time::sleep(NOTICE).await;
        }
    }
}

pub async fn ready(State(site): State<Site>) -> impl IntoResponse {
    let readiness = &site.readiness;
    *readiness
        .asked_at
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    if readiness.is_ending.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "ending\n");
    }
    match tokio::time::timeout(PATIENCE, site.app.store.answers()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(_)) | Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        ),
    }
}
