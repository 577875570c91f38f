//! Calls that a user waits for: they have a deadline, are tried at most twice, and are not made while a circuit
//! breaker is open or `Retry-After` has not passed.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::{
    Client,
    client::{Answer, Error},
};
use crate::{backoff::Backoff, clock, timeouts};

/// Backoff before the only retry.
pub const BETWEEN_TRIES: Backoff =
    Backoff::new(Duration::from_millis(250), 1, Duration::from_millis(250));

impl Client {
    /// Waits for the rate limit to admit `calls` parallel calls for a customer. Failures in the background do not
    /// block clicks; a `Retry-After` of Stripe or a proxy does.
    pub async fn admit(&self, customer: &str, calls: NonZeroU32) -> Result<(), Error> {
        let is_resting = self.pace.asked_rest().is_some()
            || self.writes.rest(customer).is_some()
            || self.reads.rest(customer).is_some();
        if is_resting {
            return Err(Error::Resting);
        }
        tokio::time::timeout(timeouts::QUEUE, self.pace.turns(calls))
            .await
            .map_err(|_| Error::Busy)
    }

    /// Reads an object for a customer who waits. The caller must call [`Client::admit`] before the first try.
    pub async fn read_by(
        &self,
        path: &str,
        customer: &str,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let url = self.base.join(path).map_err(|_| Error::Unreadable)?;
        let get = |_: &str| self.http.get(url.clone());
        let result = self.twice(customer, deadline, get).await;
        self.reads
            .note(customer, !result.as_ref().is_err_and(Error::is_passing));
        result
    }

    /// Creates an object for a customer who waits. The caller must call [`Client::admit`] before the first try.
    pub(super) async fn post_by(
        &self,
        path: &str,
        form: &[(&str, &str)],
        customer: &str,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let url = self.base.join(path).map_err(|_| Error::Unreadable)?;
        let result = self
            .twice(customer, deadline, |key| {
                let request = self.http.post(url.clone()).form(form);
                request.header("Idempotency-Key", key)
            })
            .await;
        self.writes
            .note(customer, !result.as_ref().is_err_and(Error::is_passing));
        result.map(|answer| answer.body)
    }

    async fn twice(
        &self,
        customer: &str,
        deadline: Instant,
        request: impl Fn(&str) -> RequestBuilder,
    ) -> Result<Answer, Error> {
        let left = || deadline.saturating_duration_since(Instant::now());
        let once = |key: &str| self.ask(request(key).timeout(left().min(timeouts::TRY)));
        let mut key = clock::new_id("click");
        let pause = BETWEEN_TRIES.pause(1);
        match once(&key).await {
            Err(error) if may_pass_at_once(&error) && left() >= pause + timeouts::WORTH_A_TRY => {
                tracing::debug!(%error, "asking Stripe once more");
                // Idempotency: under the same key Stripe would repeat its first answer, so an answered request
                // needs a new key. A request without an answer may have been executed, so it keeps its key
                // (<https://docs.stripe.com/api/idempotent_requests>).
                if error.status().is_some() {
                    key = clock::new_id("click");
                }
            }
            result => return result,
        }
        tokio::time::sleep(pause).await;
        tokio::time::timeout(left(), self.admit(customer, NonZeroU32::MIN))
            .await
            .map_err(|_| Error::Busy)??;
        once(&key).await
    }
}

/// Whether a retry a moment later may succeed. 409 means that another request holds a lock.
fn may_pass_at_once(error: &Error) -> bool {
    error.is_passing() || error.status() == Some(StatusCode::CONFLICT)
}
