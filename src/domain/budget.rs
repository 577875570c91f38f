//! How often one person may do something that costs others. In memory: a restart forgives a minute.

use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use governor::{
    Quota, RateLimiter, clock::Clock as _, middleware::NoOpMiddleware,
    state::keyed::HashMapStateStore,
};

use crate::clock::Clock;

/// Before there are more keys than this, those that have all their budget again are forgotten.
const MOST_KEYS: usize = 10_000;

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, OurClock, NoOpMiddleware<Duration>>;

/// A budget for each key. Clones share it.
pub struct Budget<K: Hash + Eq + Clone>(Arc<Limiter<K>>);

/// Our clock as the limiter reads it, so that tests can drive it.
#[derive(Clone, Debug)]
struct OurClock(Clock);

impl governor::clock::Clock for OurClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.steady()
    }
}

impl<K: Hash + Eq + Clone> Budget<K> {
    pub fn new(quota: Quota, clock: Clock) -> Budget<K> {
        Budget(Arc::new(RateLimiter::new(
            quota,
            HashMapStateStore::default(),
            OurClock(clock),
        )))
    }

    /// Spends one of the key's. If it has none left: the whole seconds until it has.
    pub fn spend(&self, key: &K) -> Result<(), u64> {
        if self.0.len() >= MOST_KEYS {
            self.0.retain_recent();
        }
        self.0.check_key(key).map_err(|refusal| {
            let wait = refusal.wait_time_from(self.0.clock().now());
            wait.as_secs() + 1
        })
    }
}

impl<K: Hash + Eq + Clone> Clone for Budget<K> {
    fn clone(&self) -> Budget<K> {
        Budget(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> fmt::Debug for Budget<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn checklist_39_each_key_has_a_budget_that_comes_back_with_time() {
        let clock = Clock::default();
        let quota = Quota::per_minute(NonZeroU32::new(10).unwrap());
        let budget = Budget::new(quota, clock.clone());
        for _ in 0..10 {
            assert_eq!(budget.spend(&"mine"), Ok(()));
        }
        let wait = budget.spend(&"mine").unwrap_err();
        assert!((5..=7).contains(&wait), "{wait}");
        assert_eq!(budget.spend(&"another's"), Ok(()));
        clock.advance(7);
        assert_eq!(budget.spend(&"mine"), Ok(()));
        assert!(budget.spend(&"mine").is_err());
        clock.advance(60);
        for _ in 0..10 {
            assert_eq!(budget.spend(&"mine"), Ok(()));
        }
        assert!(budget.spend(&"mine").is_err());
    }

    #[test]
    fn keys_that_have_all_their_budget_are_forgotten() {
        let clock = Clock::default();
        let budget = Budget::new(Quota::per_minute(NonZeroU32::MIN), clock.clone());
        for key in 0..MOST_KEYS {
            assert_eq!(budget.spend(&key), Ok(()));
        }
        clock.advance(120);
        assert_eq!(budget.spend(&usize::MAX), Ok(()));
        assert_eq!(format!("{budget:?}"), "Budget(1 keys)");
    }
}
