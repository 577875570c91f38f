//! Deliveries that wait for their turn, and the orders on how that turn comes: as Stripe promises
//! no order and no single copy, a test may ask for the worst of both.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use crate::wire::ids;

/// One event on its way to one target: the id of a webhook endpoint, or the URL of a target given
/// at the start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Delivery {
    pub event: String,
    pub target: String,
}

/// What an order does not name is as usual.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Orders {
    /// Of what waits, any may be next.
    pub shuffle: bool,
    /// How many of a hundred deliveries are sent twice.
    pub duplicates: u32,
    /// How long an event takes at least from its cause to its delivery.
    pub delay_ms: u64,
    /// Nothing is sent until an order without it.
    pub hold: bool,
}

impl Orders {
    pub fn check(&self) -> Result<(), String> {
        if self.duplicates > 100 {
            return Err(format!("{} percent is more than all", self.duplicates));
        }
        if self.delay_ms > 600_000 {
            return Err(format!("{} ms is longer than ten minutes", self.delay_ms));
        }
        Ok(())
    }

    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// The next delivery, out of those that wait. One that is to be sent twice goes back to the
    /// end.
    pub fn choose(&self, waiting: &mut VecDeque<Delivery>) -> Option<Delivery> {
        if self.hold {
            return None;
        }
        let index = if self.shuffle {
            ids::below(waiting.len())
        } else {
            0
        };
        let delivery = waiting.remove(index)?;
        if u32::try_from(ids::below(100)).is_ok_and(|drawn| drawn < self.duplicates) {
            waiting.push_back(delivery.clone());
        }
        Some(delivery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting() -> VecDeque<Delivery> {
        let deliveries = (0..200).map(|number| Delivery {
            event: format!("evt_{number:03}"),
            target: String::new(),
        });
        deliveries.collect()
    }

    fn drain(orders: &Orders) -> Vec<String> {
        let mut waiting = waiting();
        std::iter::from_fn(|| orders.choose(&mut waiting))
            .map(|delivery| delivery.event)
            .collect()
    }

    #[test]
    fn without_orders_events_go_once_and_in_turn() {
        let sent = drain(&Orders::default());
        assert_eq!(sent.len(), 200);
        assert!(sent.is_sorted());
    }

    #[test]
    fn shuffled_events_go_once_each_in_another_order() {
        let mut sent = drain(&Orders {
            shuffle: true,
            ..Orders::default()
        });
        assert!(!sent.is_sorted());
        sent.sort();
        sent.dedup();
        assert_eq!(sent.len(), 200);
    }

    #[test]
    fn some_go_twice_and_held_ones_not_at_all() {
        let sent = drain(&Orders {
            duplicates: 50,
            ..Orders::default()
        });
        assert!((250..800).contains(&sent.len()), "{}", sent.len());
        let held = Orders {
            hold: true,
            ..Orders::default()
        };
        assert!(drain(&held).is_empty());
    }
}
