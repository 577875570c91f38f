//! Embedded objects: whole objects inside others, such as an expanded product, the price in an item, or the coupon of a
//! discount. Each is as current as the object around it, and known without a request to Stripe.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Noun;
use crate::{
    store::{
        self, Tx,
        mirror::{Coupon, Discount, PaymentMethod, Price, Product},
        row::{self, PlainRow, Row},
    },
    stripe::json,
};

/// The maximum depth of the search for embedded objects: an invoice holds a payment intent, which holds a payment method.
const DEEPEST: usize = 12;
const PASSED_OVER: [&str; 4] = [
    "metadata",
    "last_payment_error",
    "last_setup_error",
    "charges",
];

/// What applies to everything inside one object.
#[derive(Clone, Copy)]
struct Around<'a> {
    livemode: i64,
    at: i64,
    customer: Option<&'a str>,
}

/// The embedded objects found, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmbeddedObjects {
    pub prices: BTreeMap<String, Price>,
    pub products: BTreeMap<String, Product>,
    pub payment_methods: BTreeMap<String, PaymentMethod>,
    pub coupons: BTreeMap<String, Coupon>,
    pub discounts: BTreeMap<String, Discount>,
}

/// Runs code for each kind of embedded object, with `$rows` as its map.
macro_rules! in_embedded {
    ($sightings:expr, $rows:ident => $code:expr) => {{
        let $crate::domain::mirror::EmbeddedObjects {
            prices,
            products,
            payment_methods,
            coupons,
            discounts,
        } = $sightings;
        let $rows = prices;
        $code;
        let $rows = products;
        $code;
        let $rows = payment_methods;
        $code;
        let $rows = coupons;
        $code;
        let $rows = discounts;
        $code;
    }};
}
pub(crate) use in_embedded;

impl EmbeddedObjects {
    /// Adds the objects embedded in `object`, whose content was true at the second `at`.
    pub fn gather(&mut self, object: &Value, livemode: i64, at: i64) {
        let is_customer = json::text(object, "object").as_deref() == Some("customer");
        let key = if is_customer { "id" } else { "customer" };
        let customer = json::id(object, key);
        let around = Around {
            livemode,
            at,
            customer: customer.as_deref(),
        };
        self.walk(object, around, DEEPEST);
    }

    fn walk(&mut self, value: &Value, stamp: Around<'_>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else {
            return;
        };
        match value {
            Value::Array(list) => {
                for value in list {
                    self.keep(value, stamp);
                    self.walk(value, stamp, depth);
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    // Skip metadata: the seller controls its content, whatever it looks like. Skip the record of a past
                    // attempt, which shows old content. Skip a plan beside its price or beside the items that have the
                    // price: it is the same object in an older form with fewer fields.
                    let is_passed_over = PASSED_OVER.contains(&key.as_str())
                        || key == "plan"
                            && (map.contains_key("price") || map.contains_key("items"));
                    if !is_passed_over {
                        self.keep(value, stamp);
                        self.walk(value, stamp, depth);
                    }
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, object: &Value, stamp: Around<'_>) {
        let is_deleted = json::flag(object, "deleted");
        let noun = object.get("object").and_then(Value::as_str);
        match noun.filter(|_| !is_deleted) {
            Some("price" | "plan") => drop(add(&mut self.prices, object, stamp)),
            Some("product") => drop(add(&mut self.products, object, stamp)),
            Some("payment_method" | "card" | "bank_account" | "source") => {
                add(&mut self.payment_methods, object, stamp);
            }
            Some("coupon") => drop(add(&mut self.coupons, object, stamp)),
            Some("discount") => {
                let id = add(&mut self.discounts, object, stamp);
                let row = id.and_then(|id| self.discounts.get_mut(&id));
                // Some versions do not name the customer of an embedded discount.
                if let Some(row) = row.filter(|row| row.customer_id.is_none()) {
                    row.customer_id = stamp.customer.map(str::to_owned);
                }
            }
            _ => {}
        }
    }

    /// Writes the embedded objects that are newer than stored embedded ones. `may` tells for an id whether no better source is known,
    /// see [`row::unsettled`].
    pub async fn put(mut self, tx: &mut Tx, may: impl Fn(&str) -> bool) -> store::Result<()> {
        in_embedded!(&mut self, rows => rows.retain(|id, _| may(id)));
        in_embedded!(self, rows => put(tx, rows).await?);
        Ok(())
    }
}

/// Adds an embedded object, and returns its id.
fn add<N: Noun + PlainRow>(
    rows: &mut BTreeMap<String, N>,
    object: &Value,
    around: Around<'_>,
) -> Option<String> {
    let row = N::read(object)?
        .stamped(around.livemode, around.at)
        .seen(Some(around.at));
    let id = row.id().to_owned();
    let row = match rows.remove(&id) {
        Some(other) => newest(row, other),
        None => row,
    };
    rows.insert(id.clone(), row);
    Some(id)
}

/// Merges two embedded versions of one object: the one that takes precedence, completed with the other's fields.
fn newest<N: Noun + PlainRow>(one: N, other: N) -> N {
    if counts_more(&one, &other) {
        one.completed(&other)
    } else {
        other.completed(&one)
    }
}

/// Whether one embedded version takes precedence over another of the same object: the later one. Within one second the choice is
/// arbitrary but deterministic.
fn counts_more<N: Noun + PlainRow>(row: &N, other: &N) -> bool {
    (row.seen_at(), row.cells()) > (other.seen_at(), other.cells())
}

fn filled<N: Noun + PlainRow>(known: &N, by: &N) -> Option<N> {
    let is_empty = known.deleted_at().is_some() && !N::KEEPS;
    let filled = known.clone().completed(by);
    (!is_empty && filled != *known).then_some(filled)
}

async fn put<N: Noun + PlainRow>(tx: &mut Tx, rows: BTreeMap<String, N>) -> store::Result<()> {
    let ids: Vec<_> = rows.keys().map(String::as_str).collect();
    let known: BTreeMap<_, _> = row::find_all::<N>(tx, &ids)
        .await?
        .into_iter()
        .map(|row| (row.id().to_owned(), row))
        .collect();
    let news: Vec<_> = rows
        .into_values()
        .filter_map(|row| match known.get(row.id()) {
            None => Some(row),
            // The object's own event, or a read, takes precedence, but may lack fields.
            Some(known) if known.seen_at().is_none() => filled(known, &row),
            // A tombstone without fields gets the embedded fields, and stays a tombstone.
            Some(known) => {
                let row = Row::with_deleted_at(row, known.deleted_at());
                let next = newest(row, known.clone());
                (next != *known).then_some(next)
            }
        })
        .collect();
    row::put_all(tx, &news.iter().collect::<Vec<_>>()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_objects_are_seen_wherever_they_are_but_not_in_metadata() {
        let price = |amount: i64| {
            json!({
                "id": "price_1", "object": "price", "unit_amount": amount,
                "product": { "id": "prod_1", "object": "product", "name": "Team" },
            })
        };
        let subscription = json!({
            "id": "sub_1", "object": "subscription",
            "metadata": { "x": { "id": "price_2", "object": "price" } },
            "items": { "data": [{ "id": "si_1", "price": price(1200), "plan": "price_1" }] },
            "discounts": [
                "di_0",
                { "id": "di_1", "object": "discount", "coupon": { "id": "half", "object": "coupon" } },
            ],
        });
        let mut seen = EmbeddedObjects::default();
        seen.gather(&subscription, 0, 10);
        assert_eq!(seen.prices.keys().collect::<Vec<_>>(), ["price_1"]);
        assert_eq!(seen.prices["price_1"].seen_at, Some(10));
        assert_eq!(seen.products["prod_1"].name.as_deref(), Some("Team"));
        assert_eq!(seen.discounts.keys().collect::<Vec<_>>(), ["di_1"]);
        assert_eq!(seen.coupons.keys().collect::<Vec<_>>(), ["half"]);
        for (amount, at, kept) in [(900, 9, 1200), (900, 11, 900), (1000, 11, 1000)] {
            seen.gather(&json!({ "lines": { "data": [price(amount)] } }), 0, at);
            assert_eq!(seen.prices["price_1"].unit_amount, Some(kept), "{at}");
        }
    }
}
