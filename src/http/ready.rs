//! `GET /ready`: the readiness probe. Responds with 503 while the database cannot be read and written, and from the start of the
//! shutdown on, so that a load balancer stops sending requests first.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::extract::State;

use super::{Site, problem::Problem};
use crate::store::diagnostics;

/// Timeout for reading from the database, and for writing to it.
const PATIENCE: Duration = Duration::from_secs(1);
/// A load balancer that has asked within this time will ask again, so the shutdown waits for [`NOTICE`].
const ASKED_LATELY: Duration = Duration::from_secs(60);
/// The server still accepts connections for this long after [`Readiness::end`], for load balancers that ask every second.
const NOTICE: Duration = Duration::from_secs(2);

/// Whether the server is shutting down, and when a probe last asked.
#[derive(Debug, Default)]
pub struct Readiness {
    is_ending: AtomicBool,
    asked_at: Mutex<Option<Instant>>,
    written: tokio::sync::Mutex<Written>,
}

/// Result of the last write probe.
#[derive(Debug, Default)]
struct Written {
    tried_at: Option<Instant>,
    is_good: bool,
    good_at: Option<Instant>,
}

/// Minimum interval between write probes: any client can call this endpoint.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// Under load, other writes come first: a queue of this length does not make the server unready.
const QUEUE: Duration = Duration::from_secs(3);

impl Readiness {
    /// From now on the response is 503. Returns after load balancers have had time to notice; at once if none asks.
    pub async fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
        let asked_at = *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if asked_at.is_some_and(|at| at.elapsed() < ASKED_LATELY) {
            tokio::time::sleep(NOTICE).await;
        }
    }

    /// Whether the database accepts a write: makes one. Concurrent callers share its result.
    async fn can_write(&self, site: &Site) -> bool {
        let mut written = self.written.lock().await;
        let lately = |at: Option<Instant>, span| at.is_some_and(|at| at.elapsed() < span);
        if lately(written.tried_at, TRY_EVERY) {
            return written.is_good;
        }
        let write = diagnostics::write(&site.app.store, site.app.clock.now());
        written.is_good = match tokio::time::timeout(PATIENCE, write).await {
            Ok(Ok(())) => {
                written.good_at = Some(Instant::now());
                true
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "the database could not be written");
                false
            }
            Err(_) => lately(written.good_at, QUEUE),
        };
        written.tried_at = Some(Instant::now());
        written.is_good
    }
}

pub async fn ready(State(site): State<Site>) -> Result<&'static str, Problem> {
    let readiness = &site.readiness;
    *readiness
        .asked_at
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    if readiness.is_ending.load(Ordering::Relaxed) {
        return Err(Problem::unavailable("the server is ending"));
    }
    if !matches!(
        tokio::time::timeout(PATIENCE, site.app.store.answers()).await,
        Ok(Ok(()))
    ) {
        return Err(Problem::unavailable("the database does not answer"));
    }
    if !readiness.can_write(&site).await {
        return Err(Problem::unavailable("the database cannot be written"));
    }
    Ok("ready\n")
}
