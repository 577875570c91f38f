//! Exponential backoff with jitter: delays between retries grow up to a maximum, so that a failing service is not overloaded.

use std::time::Duration;

use crate::clock;

/// A backoff policy.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The delay after the first attempt.
    first: Duration,
    /// The factor by which each delay exceeds the previous one.
    factor: u32,
    longest: Duration,
}

impl Backoff {
    pub const fn new(first: Duration, factor: u32, longest: Duration) -> Backoff {
        Backoff {
            first,
            factor,
            longest,
        }
    }

    /// The delay after `tries` attempts, without jitter.
    pub fn exact(&self, tries: i64) -> Duration {
        let grown = u32::try_from(tries.max(1) - 1).unwrap_or(u32::MAX);
        let times = self.factor.saturating_pow(grown);
        self.first.saturating_mul(times).min(self.longest)
    }

    /// The delay after `tries` attempts with jitter of ±25 %, so that clients that failed together do not retry together.
    pub fn pause(&self, tries: i64) -> Duration {
        clock::jittered(self.exact(tries))
    }

    /// The maximum delay, without jitter.
    pub fn longest_pause(&self) -> Duration {
        self.longest.mul_f64(1.25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let backoff = Backoff::new(Duration::from_secs(5), 3, Duration::from_secs(60));
        let pauses =
            [i64::MIN, 0, 1, 2, 3, 4, i64::MAX].map(|tries| backoff.exact(tries).as_secs());
        assert_eq!(pauses, [5, 5, 5, 15, 45, 60, 60]);
    }

    #[test]
    fn pauses_vary_by_a_quarter() {
        let backoff = Backoff::new(Duration::from_secs(4), 2, Duration::from_secs(4));
        for _ in 0..100 {
            let pause = backoff.pause(1);
            assert!((3..=5).contains(&pause.as_secs()), "{pause:?}");
            assert!(pause <= backoff.longest_pause(), "{pause:?}");
        }
    }
}
