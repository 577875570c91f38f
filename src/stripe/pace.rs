//! How often Stripe is asked. One limit for everything that this process asks; rest after failures,
//! so that a Stripe in trouble is not asked harder.

use std::{
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::breaker::{CircuitBreaker, REST};

/// Requests a second, if nobody asks for more. Stripe allows 25 in a sandbox and 100 live, for all
/// of an account's programs together (<https://docs.stripe.com/rate-limits>).
pub const USUAL: NonZeroU32 = NonZeroU32::new(20).unwrap();
/// Whoever asks to be left alone longer than that is asked again all the same.
const LONGEST: Duration = Duration::from_secs(5 * 60);
/// A click makes two calls side by side. More at once would be more than the limit in a second.
const AT_ONCE: NonZeroU32 = NonZeroU32::new(2).unwrap();

#[derive(Debug)]
pub struct Pace {
    limiter: DefaultDirectRateLimiter,
    /// Whoever is next: first come, first served.
    next: tokio::sync::Mutex<()>,
    circuit: Mutex<CircuitBreaker<()>>,
    /// Asked for by `Retry-After`. An answer to another request does not end it.
    asked_until: Mutex<Option<Instant>>,
}

impl Pace {
    pub fn new(per_second: NonZeroU32) -> Pace {
        Pace::resting(per_second, REST)
    }

    /// One that leaves Stripe alone for so long after failures in a row.
    pub fn resting(per_second: NonZeroU32, rest: Duration) -> Pace {
        // What may go at once goes beside the steady rate, and both together are to be the limit. Of a
        // small rate, which is asked for by hand, nothing is taken.
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

    /// Returns when it is this request's turn.
    pub async fn turn(&self) {
        self.turns(NonZeroU32::MIN).await;
    }

    /// Returns when it is the turn of so many requests side by side, two at most.
    pub async fn turns(&self, requests: NonZeroU32) {
        let _next = self.next.lock().await;
        // It fails for more than may ever go at once.
        let _ = self.limiter.until_n_ready(requests.min(AT_ONCE)).await;
    }

    /// How long Stripe is to be left alone from now.
    pub fn rest(&self) -> Option<Duration> {
        self.asked_rest().max(self.circuit().rest())
    }

    /// How long Stripe, or a proxy on the way, has asked to be left alone.
    pub fn asked_rest(&self) -> Option<Duration> {
        let asked = *self
            .asked_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let left = asked?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Leaves Stripe alone for as long as `Retry-After` says. Stripe sends none; a proxy may.
    pub fn leave_alone(&self, wait: Duration) {
        let mut asked = self
            .asked_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *asked = (*asked).max(Some(Instant::now() + wait.min(LONGEST)));
    }

    /// Notes whether Stripe answered as it should.
    pub fn note(&self, answered: bool) {
        let mut circuit = self.circuit();
        if answered {
            circuit.succeeded();
        } else if let Some(rest) = circuit.failed(()) {
            // It takes as many again to open it again.
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
