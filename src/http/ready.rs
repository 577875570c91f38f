//! `GET /ready`: whether to send requests here. It says 503 while the database cannot be read and written, and
//! from the moment on that the program is to end, so that a load balancer looks elsewhere first.

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

/// The database has this long to be read, and to be written.
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
    written: tokio::sync::Mutex<Written>,
}

/// How the last try to write went.
#[derive(Debug, Default)]
struct Written {
    tried_at: Option<Instant>,
    is_good: bool,
    good_at: Option<Instant>,
}

/// Anybody may ask, so the database is written at most as often.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// Under load others are written first: so long a queue is no reason to send requests elsewhere.
const QUEUE: Duration = Duration::from_secs(3);

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

    /// Whether a write would work: one is made. Who asks at the same time waits for the same.
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
