//! What happens at an invented Stripe, in the order in which it happens, and the order in which
//! Stripe tells of it: shuffled and with repetitions.

use std::collections::BTreeMap;

use rand::{Rng, RngExt, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

/// In percent of the events.
const TIES: u32 = 20;
const DUPLICATES: u32 = 30;
const UNKNOWN: u32 = 5;
const FORGED: u32 = 5;
const POISON: u32 = 1;

/// What an event should come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Applied, or stale behind another.
    Known,
    Ignored,
    /// Its effect needs a Stripe that never answers.
    Poison,
}

#[derive(Clone, Debug)]
pub struct Planned {
    pub id: String,
    pub body: String,
    pub fate: Fate,
}

/// One post.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Its place among the events.
    pub event: usize,
    pub is_forged: bool,
}

/// How a customer ends: its name, or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Named(String),
    Deleted,
}

pub struct Plan {
    pub events: Vec<Planned>,
    pub deliveries: Vec<Delivery>,
    pub objects: BTreeMap<String, End>,
}

impl Plan {
    pub fn new(count: usize, chance: &mut StdRng) -> Plan {
        let mut plan = Plan {
            events: Vec::with_capacity(count),
            deliveries: Vec::new(),
            objects: BTreeMap::new(),
        };
        while plan.events.len() < count {
            match chance.random_range(0..100) {
                roll if roll < UNKNOWN => plan.unknown(),
                roll if roll < UNKNOWN + POISON => plan.poison(),
                _ => plan.history(chance),
            }
        }
        plan.deliver(chance);
        plan
    }

    /// A customer from its creation to its last event.
    fn history(&mut self, chance: &mut StdRng) {
        let customer = format!("cus_{}", self.objects.len());
        let object = |name: &str| {
            json!({
                "id": customer, "object": "customer", "email": "ada@example.com", "name": name,
                "created": 1_700_000_000, "livemode": false,
            })
        };
        let (mut at, mut name) = (1_700_000_000, "name 0".to_owned());
        self.event(
            "customer.created",
            at,
            object(&name),
            Value::Null,
            Fate::Known,
        );
        for number in 1..chance.random_range(1..8) {
            if !hits(TIES, chance) {
                at += chance.random_range(1..100);
            }
            let next = format!("name {number}");
            let previous = json!({ "name": name });
            self.event("customer.updated", at, object(&next), previous, Fate::Known);
            name = next;
        }
        let end = if hits(10, chance) {
            self.event(
                "customer.deleted",
                at + 1,
                object(&name),
                Value::Null,
                Fate::Known,
            );
            End::Deleted
        } else {
            End::Named(name)
        };
        self.objects.insert(customer, end);
    }

    fn unknown(&mut self) {
        let object = json!({ "id": "obj_1", "object": "harbour.berth" });
        self.event(
            "harbour.berth.assigned",
            1,
            object,
            Value::Null,
            Fate::Ignored,
        );
    }

    fn poison(&mut self) {
        let object = json!({
            "id": format!("sub_{}", self.events.len()), "object": "subscription",
            "customer": "cus_0", "status": "active", "items": { "data": [], "has_more": true },
        });
        self.event(
            "customer.subscription.updated",
            1,
            object,
            Value::Null,
            Fate::Poison,
        );
    }

    fn event(&mut self, r#type: &str, at: i64, object: Value, previous: Value, fate: Fate) {
        // Ids that say nothing of the order.
        let number = self.events.len() as u64;
        let id = format!("evt_{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let body = json!({
            "id": id, "object": "event", "type": r#type, "created": at, "livemode": false,
            "api_version": "2026-10-28.endive",
            "data": { "object": object, "previous_attributes": previous },
        });
        self.events.push(Planned {
            id,
            body: body.to_string(),
            fate,
        });
    }

    /// Mostly in order, as Stripe does, with parts thrown together.
    fn deliver(&mut self, chance: &mut StdRng) {
        for event in 0..self.events.len() {
            let mut add = |is_forged| self.deliveries.push(Delivery { event, is_forged });
            add(false);
            if hits(DUPLICATES, chance) {
                add(false);
            }
            if hits(FORGED, chance) {
                add(true);
            }
        }
        for part in self.deliveries.chunks_mut(200) {
            part.shuffle(chance);
        }
    }
}

fn hits(percent: u32, chance: &mut impl Rng) -> bool {
    chance.random_range(0..100) < percent
}
