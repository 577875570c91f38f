//! Rate limit, `Retry-After` and circuit breaker for calls to Stripe. One rate limit covers all calls of this
//! process. After failures in a row the calls pause, so that an overloaded Stripe does not get more load.

use std::{
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::breaker::{CircuitBreaker, REST};

/// Default rate limit in requests a second. Stripe allows 25 in a sandbox and 100 live, for all programs of an
/// account together (<https://docs.stripe.com/rate-limits>).
pub const USUAL: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Upper limit for `Retry-After`. A longer value is cut to this.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// Burst size: a click makes two calls in parallel. A larger burst would exceed the limit within a second.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(2).unwrap();

#[derive(Debug)]
pub struct Pace {
    limiter: DefaultDirectRateLimiter,
    /// Queue for the rate limit: first come, first served.
    next: tokio::sync::Mutex<()>,
    circuit: Mutex<CircuitBreaker<()>>,
    /// Set by `Retry-After`. A successful answer to another request does not clear it.
    asked_until: Mutex<Option<Instant>>,
}

impl Pace {
    pub fn new(per_second: NonZeroU32) -> Pace {
        Pace::resting(per_second, REST)
    }

    /// A pace whose circuit breaker stays open for `rest` after failures in a row.
    pub fn resting(per_second: NonZeroU32, rest: Duration) -> Pace {
        // The burst is added to the steady rate, and both together must stay within the limit. A small rate, which
        // an operator has set, is not reduced.
        let steady = match per_second.get() {
            small @ ..10 => small,
            rate => rate - AT_ONCE.get(),
        };
        let steady = NonZeroU32::new(steady).unwrap_or(NonZeroU32::MIN);
        Pace {
            limiter: RateLimiter::direct(Quota::per_second(steady).allow_burst(AT_ONCE)),
            next: tokio::sync::Mutex::default(),
            circuit: Mutex::new(CircuitBreaker::new(rest)),
            asked_until: Mutex::default(),
        }
    }

    /// Waits until the rate limit admits one request.
    pub async fn turn(&self) {
        self.turns(NonZeroU32::MIN).await;
    }

    /// Waits until the rate limit admits `requests` parallel requests, two at most.
    pub async fn turns(&self, requests: NonZeroU32) {
        let _next = self.next.lock().await;
        // It returns an error for more cells than the burst size.
        let _ = self.limiter.until_n_ready(requests.min(AT_ONCE)).await;
    }

    /// How much longer Stripe must not be called: the longer of `Retry-After` and the circuit breaker.
    pub fn rest(&self) -> Option<Duration> {
        self.asked_rest().max(self.circuit().rest())
    }

    /// How much longer `Retry-After` of Stripe, or of a proxy on the way, applies.
    pub fn asked_rest(&self) -> Option<Duration> {
        let asked = *self
            .asked_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let left = asked?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Pauses calls for the time of `Retry-After`. Stripe does not send it; a proxy may.
    pub fn leave_alone(&self, wait: Duration) {
        let mut asked = self
            .asked_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *asked = (*asked).max(Some(Instant::now() + wait.min(LONGEST)));
    }

    /// Records whether Stripe answered properly.
    pub fn note(&self, answered: bool) {
        let mut circuit = self.circuit();
        if answered {
            circuit.succeeded();
        } else if let Some(rest) = circuit.failed(()) {
            // Resets the count: it takes the same number of failures to open the circuit again.
            circuit.forgive(|()| true);
            tracing::error!(
                seconds = rest.as_secs(),
                "Stripe fails again and again, and is left alone for a while"
            );
        }
    }

    fn circuit(&self) -> MutexGuard<'_, CircuitBreaker<()>> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stripe::breaker::TOO_MANY;

    #[tokio::test]
    async fn requests_are_spread_over_time() {
        let pace = Pace::new(NonZeroU32::new(50).unwrap());
        let began = Instant::now();
        for _ in 0..12 {
            pace.turn().await;
        }
        assert!(began.elapsed() >= Duration::from_millis(195));
        for _ in 0..5 {
            pace.turns(AT_ONCE).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(395));
    }

    #[test]
    fn checklist_71_whoever_asks_to_be_left_alone_is() {
        let pace = Pace::new(USUAL);
        pace.leave_alone(Duration::from_secs(20));
        pace.leave_alone(Duration::from_secs(1));
        pace.note(true);
        let rest = pace.rest().unwrap();
        assert!(rest > Duration::from_secs(10), "{rest:?}");
        pace.leave_alone(Duration::MAX);
        assert!(pace.rest().unwrap() <= LONGEST);
    }

    #[test]
    fn failures_in_a_row_bring_rest_and_a_success_ends_it() {
        let pace = Pace::new(USUAL);
        for _ in 1..TOO_MANY {
            pace.note(false);
        }
        assert_eq!(pace.rest(), None);
        pace.note(true);
        pace.note(false);
        assert_eq!(pace.rest(), None, "the row was broken");
        for _ in 0..TOO_MANY {
            pace.note(false);
        }
        assert!(pace.rest().is_some());
        pace.note(true);
        assert_eq!(pace.rest(), None);
    }
}
