//! Rate limits by key, in memory (GCRA, by the governor crate): how often one client or session may do something costly. A restart
//! resets them, which grants about a minute's budget. Memory is bounded, so that a flood of keys cannot exhaust it: a key whose budget
//! is full again is evicted, and there is a fixed number of keys.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock as _,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{StateStore, keyed::ShrinkableKeyedStateStore},
};

use crate::clock::Clock;

/// The capacity in keys: a few megabytes.
const MOST_KEYS: usize = 50_000;
/// How often keys with a full budget are evicted.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// The same at full capacity. Not more often, since each sweep scans every key.
const SWEEP_EVERY_WHEN_FULL: Duration = Duration::from_secs(1);

type Limiter<K> = RateLimiter<K, Spent<K>, OurClock, NoOpMiddleware<Duration>>;

/// A rate limiter with a budget for each key. Clones share it.
pub struct Budget<K: Hash + Eq + Clone>(Arc<Parts<K>>);

struct Parts<K: Hash + Eq + Clone> {
    limiter: Limiter<K>,
    spent: Spent<K>,
    swept_at: Mutex<Duration>,
}

/// The limiter's state of each key. Clones share it.
struct Spent<K>(Arc<Mutex<HashMap<K, Nanos>>>);

/// Adapts our clock to the limiter, so that tests can advance it.
#[derive(Clone, Debug)]
struct OurClock(Clock);

impl governor::clock::Clock for OurClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.steady()
    }
}

impl<K: Hash + Eq + Clone + Default> Budget<K> {
    pub fn new(quota: Quota, clock: Clock) -> Budget<K> {
        let spent = Spent(Arc::default());
        let swept_at = Mutex::new(clock.steady());
        Budget(Arc::new(Parts {
            limiter: RateLimiter::new(quota, spent.clone(), OurClock(clock)),
            spent,
            swept_at,
        }))
    }

    /// Spends one unit of the key's budget. If the rate limit is reached, the error is the whole seconds until the next unit. Keys beyond
    /// the capacity share the budget of the default key.
    pub fn spend(&self, key: &K) -> Result<(), u64> {
        let limiter = &self.0.limiter;
        let checked = match self.has_room_for(key) {
            true => limiter.check_key(key),
            false => limiter.check_key(&K::default()),
        };
        checked.map_err(|refusal| {
            let wait = refusal.wait_time_from(limiter.clock().now());
            wait.as_secs() + 1
        })
    }

    /// Whether the key has, or can get, a budget of its own. Keys that have one keep it during a flood of others.
    pub fn has_room_for(&self, key: &K) -> bool {
        self.sweep();
        let keys = self.0.spent.keys();
        keys.len() < MOST_KEYS || keys.contains_key(key)
    }

    /// Evicts the keys with a full budget, unless the last sweep was too recent.
    fn sweep(&self) {
        let limiter = &self.0.limiter;
        let now = limiter.clock().now();
        let pause = match limiter.len() < MOST_KEYS {
            true => SWEEP_EVERY,
            false => SWEEP_EVERY_WHEN_FULL,
        };
        let mut swept_at = self
            .0
            .swept_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(*swept_at) < pause {
            return;
        }
        *swept_at = now;
        drop(swept_at);
        limiter.retain_recent();
        limiter.shrink_to_fit();
    }
}

impl<K> Spent<K> {
    fn keys(&self) -> MutexGuard<'_, HashMap<K, Nanos>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> StateStore for Spent<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut keys = self.keys();
        let (answer, spent) = measure(keys.get(key).copied())?;
        keys.insert(key.clone(), spent);
        Ok(answer)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Spent<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        self.keys().retain(|_, spent| *spent > drop_below);
    }

    fn shrink_to_fit(&self) {
        self.keys().shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.keys().len()
    }

    fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }
}

impl<K> Clone for Spent<K> {
    fn clone(&self) -> Spent<K> {
        Spent(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> Clone for Budget<K> {
    fn clone(&self) -> Budget<K> {
        Budget(Arc::clone(&self.0))
    }
}

impl<K: Hash + Eq + Clone> fmt::Debug for Budget<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} keys)", self.0.limiter.len())
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
    fn checklist_13_keys_that_have_all_their_budget_are_forgotten() {
        let clock = Clock::default();
        let budget = Budget::new(Quota::per_minute(NonZeroU32::MIN), clock.clone());
        for key in 0..1_000 {
            assert_eq!(budget.spend(&key), Ok(()));
        }
        // A key that has not recovered its budget is kept.
        clock.advance(59);
        assert_eq!(budget.spend(&1_000), Ok(()));
        clock.advance(59);
        assert!(budget.spend(&1_000).is_err());
        clock.advance(61);
        assert_eq!(budget.spend(&usize::MAX), Ok(()));
        assert_eq!(format!("{budget:?}"), "Budget(1 keys)");
        assert!(
            budget.0.spent.keys().capacity() < 100,
            "the room is given back"
        );
    }

    #[test]
    fn checklist_13_a_million_networks_fill_no_memory_and_lock_out_nobody_known() {
        let clock = Clock::default();
        let quota = Quota::per_minute(NonZeroU32::new(2).unwrap());
        let budget = Budget::new(quota, clock.clone());
        let network = |number: u32| {
            let [a, b] = [number >> 16, number & 0xffff].map(|part| part as u16);
            [0x2001, 0xdb8, a, b]
        };
        let known = [0x2001, 0xdb9, 0, 1];
        assert_eq!(budget.spend(&known), Ok(()));
        let allowed = (0..1_000_000).filter(|number| budget.spend(&network(*number)).is_ok());
        // One for each key within the capacity, and two for all other keys together. The tolerance allows for a test that
        // runs for a minute or two.
        let allowed = allowed.count();
        assert!((MOST_KEYS..MOST_KEYS + 20).contains(&allowed), "{allowed}");
        let keys = budget.0.spent.keys().len();
        assert!((MOST_KEYS..=MOST_KEYS + 1).contains(&keys), "{keys}");
        assert!(budget.has_room_for(&known) && !budget.has_room_for(&network(1_000_001)));
        assert_eq!(budget.spend(&known), Ok(()));
        // After the flood, the sweep frees the capacity.
        clock.advance(121);
        assert_eq!(budget.spend(&network(1_000_001)), Ok(()));
        assert_eq!(format!("{budget:?}"), "Budget(1 keys)");
    }
}
