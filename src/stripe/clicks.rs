//! When clicks are not passed on to Stripe because those before them failed. A customer whose clicks
//! always fail rests alone: its trouble is its own. When several fail in a row, Stripe is in trouble.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::pace::{REST, TOO_MANY};

/// Before there are more customers than this, those that do not rest are forgotten.
const MOST_CUSTOMERS: usize = 10_000;

/// What became of one kind of call, by customer.
#[derive(Debug, Default)]
pub struct Clicks(Mutex<Failures>);

#[derive(Debug, Default)]
struct Failures {
    /// Whose calls failed since the last one that did not; without those who rest alone.
    in_a_row: Vec<String>,
    resting_until: Option<Instant>,
    of_customer: HashMap<String, OfCustomer>,
}

#[derive(Debug, Default)]
struct OfCustomer {
    in_a_row: usize,
    resting_until: Option<Instant>,
}

impl Clicks {
    /// How long from now on Stripe is not to be asked for this customer.
    pub fn rest(&self, customer: &str) -> Option<Duration> {
        let failures = self.lock();
        let own = failures.of_customer.get(customer);
        let until = failures
            .resting_until
            .max(own.and_then(|own| own.resting_until))?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Notes whether Stripe answered as it should. Refusing one customer for good is an answer too.
    pub fn note(&self, customer: &str, answered: bool) {
        let mut failures = self.lock();
        if answered {
            failures.in_a_row.clear();
            failures.resting_until = None;
            failures.of_customer.remove(customer);
        } else {
            failures.add(customer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn add(&mut self, customer: &str) {
        let until = Instant::now() + REST;
        if self.of_customer.len() >= MOST_CUSTOMERS {
            let now = Instant::now();
            self.of_customer
                .retain(|_, own| own.resting_until.is_some_and(|until| until > now));
        }
        let own = self.of_customer.entry(customer.to_owned()).or_default();
        own.in_a_row += 1;
        if own.in_a_row >= TOO_MANY {
            own.resting_until = Some(until);
            self.in_a_row.retain(|whose| whose != customer);
            tracing::error!(
                customer,
                seconds = REST.as_secs(),
                "Stripe fails again and again for this customer, and is not asked for a while"
            );
            return;
        }
        self.in_a_row.push(customer.to_owned());
        if self.in_a_row.len() >= TOO_MANY {
            self.in_a_row.clear();
            self.resting_until = Some(until);
            tracing::error!(
                seconds = REST.as_secs(),
                "Stripe fails again and again at clicks, and is left alone for a while"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(clicks: &Clicks, customers: &[&str]) {
        for customer in customers {
            clicks.note(customer, false);
        }
    }

    #[test]
    fn checklist_38_one_customer_that_always_fails_rests_alone() {
        let clicks = Clicks::default();
        failing(&clicks, &["a"; TOO_MANY - 1]);
        assert_eq!(clicks.rest("a"), None);
        failing(&clicks, &["a"; 20]);
        assert!(clicks.rest("a").is_some());
        assert_eq!(clicks.rest("b"), None);
        // Nor does it help others to open the circuit.
        failing(&clicks, &["b", "a", "b", "a", "b", "a"]);
        assert_eq!(clicks.rest("b"), None);
        clicks.note("a", true);
        assert_eq!(clicks.rest("a"), None);
    }

    #[test]
    fn checklist_38_when_several_customers_fail_stripe_is_left_alone() {
        for row in [["a", "a", "a", "a", "b"], ["a", "b", "c", "d", "e"]] {
            let clicks = Clicks::default();
            failing(&clicks, &row[..4]);
            assert_eq!(clicks.rest("z"), None);
            clicks.note("z", true);
            failing(&clicks, &row[1..]);
            assert_eq!(clicks.rest("z"), None, "the row was broken");
            clicks.note("z", true);
            let clicks = Clicks::default();
            failing(&clicks, &row);
            assert!(clicks.rest("z").is_some(), "{row:?}");
            clicks.note("z", true);
            assert_eq!(clicks.rest("z"), None);
        }
    }

    #[test]
    fn those_who_do_not_rest_are_forgotten_when_there_are_many() {
        let clicks = Clicks::default();
        failing(&clicks, &["resting"; TOO_MANY]);
        for number in 0..MOST_CUSTOMERS {
            clicks.note(&number.to_string(), false);
        }
        assert!(clicks.lock().of_customer.len() < 10);
        assert!(clicks.rest("resting").is_some());
    }
}
