//! Very many customers at once, so that an import can be tried at size. No event tells of them:
//! they were there before anybody listened.

use serde::Deserialize;
use serde_json::json;

use crate::{shapes::customers::blank, state::State, wire::ids};

/// More would not fit into the memory of a small machine.
const MOST: u32 = 1_000_000;

const FIRST_NAMES: [&str; 20] = [
    "Amina",
    "Björn",
    "Chidi",
    "Dolores",
    "Emre",
    "Freya",
    "Giulia",
    "Haruto",
    "Inés",
    "Jakub",
    "Kateřina",
    "Liam",
    "Mei",
    "Noor",
    "Olu",
    "Priya",
    "Quentin",
    "Rosa",
    "Søren",
    "Tatiana",
];
const LAST_NAMES: [&str; 20] = [
    "Abe", "Bianchi", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Horák", "Ivanova",
    "Jensen", "Kaya", "Lindgren", "Müller", "Nowak", "Okafor", "Patel", "Quinn", "Rossi", "Smith",
    "Tanaka",
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crowd {
    pub count: u32,
    /// How many share a second of creation; the last were created just now.
    #[serde(default = "one")]
    pub per_second_of_created: u32,
}

fn one() -> u32 {
    1
}

impl Crowd {
    pub fn check(&self) -> Result<(), String> {
        if self.count > MOST {
            return Err(format!("at most {MOST} customers at once"));
        }
        if self.per_second_of_created == 0 {
            return Err("per_second_of_created is at least 1".to_owned());
        }
        Ok(())
    }

    pub fn join(&self, state: &mut State, now: i64) {
        for number in 0..self.count {
            let age = (self.count - 1 - number) / self.per_second_of_created;
            let mut customer = blank(&ids::short("cus_"), now - i64::from(age));
            let (name, email) = person(state.customers.len());
            customer["name"] = json!(name);
            customer["email"] = json!(email);
            state.customers.put(customer);
        }
    }
}

/// Everybody has an address of their own; names come again after a while.
fn person(number: usize) -> (String, String) {
    let pick = |names: &[&'static str; 20], index: usize| names.get(index % 20).copied();
    let first = pick(&FIRST_NAMES, number).unwrap_or_default();
    let last = pick(&LAST_NAMES, number / 20 + number).unwrap_or_default();
    let letters = |name: &str| -> String {
        name.chars()
            .filter(char::is_ascii_alphabetic)
            .collect::<String>()
            .to_lowercase()
    };
    let email = format!("{}.{}.{number}@example.com", letters(first), letters(last));
    (format!("{first} {last}"), email)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_crowd_is_spread_over_time_and_silent() {
        let mut state = State::default();
        let crowd = Crowd {
            count: 1_000,
            per_second_of_created: 10,
        };
        crowd.join(&mut state, 1_000_000);
        let customers: Vec<_> = state
            .customers
            .each()
            .map(std::borrow::Cow::into_owned)
            .collect();
        assert_eq!(customers.len(), 1_000);
        assert_eq!(customers[0]["created"], 1_000_000);
        assert_eq!(customers[999]["created"], 1_000_000 - 99);
        let addresses: HashSet<&str> = customers
            .iter()
            .filter_map(|customer| customer["email"].as_str())
            .collect();
        assert_eq!(addresses.len(), 1_000);
        assert_eq!(state.events.len(), 0);
    }
}
