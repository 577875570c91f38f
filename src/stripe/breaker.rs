//! Circuit breakers: after several failures in a row, Billhook stops calling Stripe for a while. One breaker covers
//! all background calls ([`Pace`](super::pace::Pace)). Clicks have two, for calls that write and for calls that
//! read; each has a separate breaker per customer, so that calls that always fail for one customer do not block the
//! others. When calls of several customers fail in a row, Stripe itself is in trouble, and the breaker opens for
//! all.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Consecutive failures that open the circuit.
pub const TOO_MANY: usize = 5;
/// How long the circuit stays open by default.
pub const REST: Duration = Duration::from_secs(30);
/// Limits memory: at this number of customers, the breakers that are not open are dropped.
const MOST_CUSTOMERS: usize = 10_000;

/// A circuit breaker: opens for a while after consecutive failures. `K` identifies the source of a failure.
#[derive(Debug)]
pub struct CircuitBreaker<K> {
    in_a_row: Vec<K>,
    open_until: Option<Instant>,
    rest: Duration,
}

impl<K> CircuitBreaker<K> {
    pub fn new(rest: Duration) -> CircuitBreaker<K> {
        CircuitBreaker {
            in_a_row: Vec::new(),
            open_until: None,
            rest,
        }
    }

    /// How much longer the circuit is open; `None` if it is closed.
    pub fn rest(&self) -> Option<Duration> {
        let left = self.open_until?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    pub fn succeeded(&mut self) {
        self.in_a_row.clear();
        self.open_until = None;
    }

    /// Records a failure. Returns how long the circuit is open if this failure opened it. The count is kept, so one
    /// more failure opens it again.
    pub fn failed(&mut self, whose: K) -> Option<Duration> {
        self.in_a_row.push(whose);
        if self.in_a_row.len() < TOO_MANY {
            return None;
        }
        self.open_until = Some(Instant::now() + self.rest);
        Some(self.rest)
    }

    /// Removes failures from the count.
    pub fn forgive(&mut self, which: impl Fn(&K) -> bool) {
        self.in_a_row.retain(|whose| !which(whose));
    }
}

impl<K> Default for CircuitBreaker<K> {
    fn default() -> CircuitBreaker<K> {
        CircuitBreaker::new(REST)
    }
}

/// A circuit breaker for one kind of call, with a separate one for each customer.
#[derive(Debug, Default)]
pub struct ByCustomer(Mutex<Circuits>);

#[derive(Debug, Default)]
struct Circuits {
    /// Failures by customer, without customers whose own circuit is open.
    of_all: CircuitBreaker<String>,
    of_customer: HashMap<String, CircuitBreaker<()>>,
}

impl ByCustomer {
    /// How much longer Stripe must not be called for this customer.
    pub fn rest(&self, customer: &str) -> Option<Duration> {
        let circuits = self.lock();
        let own = circuits.of_customer.get(customer);
        circuits
            .of_all
            .rest()
            .max(own.and_then(CircuitBreaker::rest))
    }

    /// Records whether Stripe answered properly. A permanent refusal for one customer counts as an answer.
    pub fn note(&self, customer: &str, answered: bool) {
        let mut circuits = self.lock();
        if answered {
            circuits.of_all.succeeded();
            circuits.of_customer.remove(customer);
        } else {
            circuits.failed(customer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Circuits> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Circuits {
    fn failed(&mut self, customer: &str) {
        if self.of_customer.len() >= MOST_CUSTOMERS {
            self.of_customer.retain(|_, own| own.rest().is_some());
        }
        let own = self.of_customer.entry(customer.to_owned()).or_default();
        if let Some(rest) = own.failed(()) {
            self.of_all.forgive(|whose| whose == customer);
            tracing::error!(
                customer,
                seconds = rest.as_secs(),
                "Stripe fails again and again for this customer, and is not asked for a while"
            );
        } else if let Some(rest) = self.of_all.failed(customer.to_owned()) {
            self.of_all.forgive(|_| true);
            tracing::error!(
                seconds = rest.as_secs(),
                "Stripe fails again and again at clicks, and is left alone for a while"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(calls: &ByCustomer, customers: &[&str]) {
        for customer in customers {
            calls.note(customer, false);
        }
    }

    #[test]
    fn checklist_38_one_customer_that_always_fails_rests_alone() {
        let calls = ByCustomer::default();
        failing(&calls, &["a"; TOO_MANY - 1]);
        assert_eq!(calls.rest("a"), None);
        failing(&calls, &["a"; 20]);
        assert!(calls.rest("a").is_some());
        assert_eq!(calls.rest("b"), None);
        // Failures of one customer do not open the circuit for others.
        failing(&calls, &["b", "a", "b", "a", "b", "a"]);
        assert_eq!(calls.rest("b"), None);
        calls.note("a", true);
        assert_eq!(calls.rest("a"), None);
    }

    #[test]
    fn checklist_38_when_several_customers_fail_stripe_is_left_alone() {
        for row in [["a", "a", "a", "a", "b"], ["a", "b", "c", "d", "e"]] {
            let calls = ByCustomer::default();
            failing(&calls, &row[..4]);
            assert_eq!(calls.rest("z"), None);
            calls.note("z", true);
            failing(&calls, &row[1..]);
            assert_eq!(calls.rest("z"), None, "the row was broken");
            calls.note("z", true);
            let calls = ByCustomer::default();
            failing(&calls, &row);
            assert!(calls.rest("z").is_some(), "{row:?}");
            calls.note("z", true);
            assert_eq!(calls.rest("z"), None);
        }
    }

    #[test]
    fn those_who_do_not_rest_are_forgotten_when_there_are_many() {
        let calls = ByCustomer::default();
        failing(&calls, &["resting"; TOO_MANY]);
        for number in 0..MOST_CUSTOMERS {
            calls.note(&number.to_string(), false);
        }
        assert!(calls.lock().of_customer.len() < 10);
        assert!(calls.rest("resting").is_some());
    }
}
