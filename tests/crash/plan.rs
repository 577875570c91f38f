//! What happens at an invented Stripe, in the order in which it happens, and the order in which
//! Stripe tells of it: shuffled and with repetitions.

use std::collections::BTreeMap;

use billhook::store::{customer::Customer, row::Row};
use rand::{Rng, RngExt, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};

/// In percent of the events.
const DUPLICATES: u32 = 30;
const UNKNOWN: u32 = 5;
const FORGED: u32 = 5;
const POISON: u32 = 1;
/// In percent of the updates, which are seven in ten events: a fifth of all events are of the same second
/// as the one before.
const TIES: u32 = 29;

const BEGINNING: i64 = 1_700_000_000;

/// What an event should come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFate {
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
    pub fate: MailFate,
}

/// One post.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// Its place among the events.
    pub event: usize,
    pub is_forged: bool,
}

pub struct Plan {
    pub events: Vec<Planned>,
    pub deliveries: Vec<Delivery>,
    /// The row that each customer ends as.
    pub customers: BTreeMap<String, Customer>,
    /// The subscriptions that poison is about, of which there must be no row.
    pub subscriptions: Vec<String>,
    /// Events of the same second as the one before of their customer.
    pub ties: usize,
}

impl Plan {
    pub fn new(count: usize, chance: &mut StdRng) -> Plan {
        let mut plan = Plan {
            events: Vec::with_capacity(count),
            deliveries: Vec::new(),
            customers: BTreeMap::new(),
            subscriptions: Vec::new(),
            ties: 0,
        };
        while plan.events.len() < count {
            let before = plan.events.len();
            plan.history(chance);
            for _ in before..plan.events.len() {
                match chance.random_range(0..100 - UNKNOWN - POISON) {
                    roll if roll < UNKNOWN => plan.unknown(),
                    roll if roll < UNKNOWN + POISON => plan.poison(),
                    _ => {}
                }
            }
        }
        plan.deliver(chance);
        plan
    }

    /// A customer from its creation to its last event.
    fn history(&mut self, chance: &mut StdRng) {
        let customer = format!("cus_{}", self.customers.len());
        let object = |name: &str| {
            json!({
                "id": customer, "object": "customer", "email": "Ada@Example.com", "name": name,
                "created": BEGINNING, "livemode": false,
            })
        };
        let (mut at, mut name) = (BEGINNING, "name 0".to_owned());
        self.event(
            "customer.created",
            at,
            object(&name),
            Value::Null,
            MailFate::Known,
        );
        for number in 1..chance.random_range(1..8) {
            if hits(TIES, chance) {
                self.ties += 1;
            } else {
                at += chance.random_range(1..100);
            }
            let next = format!("name {number}");
            let previous = json!({ "name": name });
            self.event(
                "customer.updated",
                at,
                object(&next),
                previous,
                MailFate::Known,
            );
            name = next;
        }
        let row = if hits(10, chance) {
            self.event(
                "customer.deleted",
                at + 1,
                object(&name),
                Value::Null,
                MailFate::Known,
            );
            Customer::tombstone(&customer, 0, at + 1)
        } else {
            Customer {
                id: customer.clone(),
                email: Some("Ada@Example.com".to_owned()),
                email_normalised: Some("ada@example.com".to_owned()),
                name: Some(name),
                created: BEGINNING,
                stripe_at: at,
                ..Customer::default()
            }
        };
        self.customers.insert(customer, row);
    }

    /// How many of a hundred events are of that fate.
    pub fn percent(&self, fate: MailFate) -> f64 {
        let of_it = self.events.iter().filter(|event| event.fate == fate);
        of_it.count() as f64 * 100.0 / self.events.len() as f64
    }

    fn unknown(&mut self) {
        let object = json!({ "id": "obj_1", "object": "harbour.berth" });
        self.event(
            "harbour.berth.assigned",
            1,
            object,
            Value::Null,
            MailFate::Ignored,
        );
    }

    fn poison(&mut self) {
        let id = format!("sub_{}", self.events.len());
        let object = json!({
            "id": id, "object": "subscription", "customer": "cus_0", "status": "active",
            "items": { "data": [], "has_more": true },
        });
        self.subscriptions.push(id);
        self.event(
            "customer.subscription.updated",
            1,
            object,
            Value::Null,
            MailFate::Poison,
        );
    }

    fn event(&mut self, r#type: &str, at: i64, object: Value, previous: Value, fate: MailFate) {
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
