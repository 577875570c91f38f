//! A limit of requests per second, switched on by order, so that a client can be seen to slow down.

use tokio::time::{Duration, Instant};

use crate::wire::error::ApiError;

#[derive(Debug, Default)]
pub struct Rate {
    per_second: Option<u32>,
    /// When the second began that is being counted, and how many came in it.
    second: Option<(Instant, u32)>,
    served: u64,
    refused: u64,
}

impl Rate {
    /// Counting begins again with every order.
    pub fn order(per_second: Option<u32>) -> Self {
        Self {
            per_second,
            ..Self::default()
        }
    }

    /// Lets the request through, or refuses it as Stripe does: without a word on when to come back.
    pub fn admit(&mut self, now: Instant) -> Result<(), ApiError> {
        let (since, come) = match self.second {
            Some((since, come)) if now < since + Duration::from_secs(1) => (since, come),
            _ => (now, 0),
        };
        if self.per_second.is_some_and(|most| come >= most) {
            self.refused += 1;
            return Err(ApiError::rate_limited());
        }
        self.second = Some((since, come + 1));
        self.served += 1;
        Ok(())
    }

    /// The limit, how many were let through since it was ordered, and how many were not.
    pub fn counts(&self) -> (Option<u32>, u64, u64) {
        (self.per_second, self.served, self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_number() {
        let mut rate = Rate::order(Some(2));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let passed: Vec<bool> = [0, 400, 900, 999, 1_000, 1_001, 1_002]
            .map(|ms| rate.admit(at(ms)).is_ok())
            .into();
        assert_eq!(passed, [true, true, false, false, true, true, false]);
        assert_eq!(rate.counts(), (Some(2), 4, 3));
    }

    #[test]
    fn without_an_order_all_pass() {
        let mut rate = Rate::default();
        let now = Instant::now();
        assert!((0..10_000).all(|_| rate.admit(now).is_ok()));
    }
}
