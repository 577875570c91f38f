//! The list price of one item of a subscription.

use serde::Serialize;

use super::money::Money;
use crate::store::mirror;

/// The price of an item, before discounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListPrice {
    pub amount: Amount,
    /// `None` for a one-time price.
    pub interval: Option<Interval>,
    /// The number of units in the subscription.
    pub quantity: Option<i64>,
    /// Set where `amount` is the price of a package of several units.
    pub pack: Option<Pack>,
    /// Metered usage: `amount` is the price of one unit.
    pub metered: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Amount {
    Exact(Money),
    /// A fraction of the minor unit: a decimal number of minor units, as Stripe writes it.
    Decimal {
        minor: String,
        currency: String,
    },
    /// Tiered pricing: the amount depends on the quantity.
    Tiered,
    /// The amount is not known in the currency that is billed.
    BilledIn {
        currency: String,
    },
}

/// The billing interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interval {
    /// Stripe's value: `month`.
    pub unit: String,
    pub count: i64,
}

/// A package of units (`transform_quantity` at Stripe).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Pack {
    pub size: u64,
    /// Whether a package that is begun is charged in full.
    pub rounds_up: bool,
}

impl ListPrice {
    /// `None` where the price has no amount. A price can have amounts in several currencies, and Stripe returns one of them by
    /// default. Where the customer is billed in another currency (`billed_in`), only the currency is known
    /// (`currency_options` on <https://docs.stripe.com/api/prices/object>).
    pub fn of(
        row: &mirror::Price,
        billed_in: Option<&str>,
        quantity: Option<i64>,
    ) -> Option<ListPrice> {
        let currency = row.currency.as_deref().unwrap_or_default();
        let other = billed_in.filter(|billed_in| !currency.is_empty() && *billed_in != currency);
        let amount = match (row.unit_amount, &row.unit_amount_decimal) {
            _ if row.billing_scheme.as_deref() == Some("tiered") => Amount::Tiered,
            _ if let Some(other) = other => Amount::BilledIn {
                currency: other.to_owned(),
            },
            (Some(minor), _) => Amount::Exact(Money::new(minor, currency)),
            (None, Some(minor)) if is_decimal(minor) => Amount::Decimal {
                minor: minor.clone(),
                currency: currency.to_owned(),
            },
            (None, _) => return None,
        };
        Some(ListPrice {
            amount,
            interval: Interval::of(row),
            quantity,
            pack: Pack::of(row),
            metered: row.usage_type.as_deref() == Some("metered"),
        })
    }

    /// How many times `amount` is charged, where that is known.
    pub fn times(&self) -> Option<i64> {
        let count = |quantity| self.pack.map_or(quantity, |pack| pack.count(quantity));
        self.quantity.filter(|_| !self.metered).map(count)
    }
}

/// How many times a price is charged for a quantity: less often where units are sold in packages.
pub fn units(row: &mirror::Price, quantity: i64) -> i64 {
    Pack::of(row).map_or(quantity, |pack| pack.count(quantity))
}

impl Interval {
    pub fn of(row: &mirror::Price) -> Option<Interval> {
        Some(Interval {
            unit: row.interval.clone()?,
            count: row.interval_count.unwrap_or(1),
        })
    }
}

impl Pack {
    fn of(row: &mirror::Price) -> Option<Pack> {
        let text = row.transform_quantity.as_deref()?;
        let transform: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(Pack {
            size: transform.get("divide_by")?.as_u64().filter(|it| *it > 1)?,
            rounds_up: transform.get("round").and_then(|it| it.as_str()) == Some("up"),
        })
    }

    /// The number of packages charged for these units.
    fn count(self, units: i64) -> i64 {
        let units = units.unsigned_abs();
        let packs = if self.rounds_up {
            units.div_ceil(self.size)
        } else {
            units / self.size
        };
        i64::try_from(packs).unwrap_or(i64::MAX)
    }
}

/// Whether the text is a number of minor units, with or without decimals, that fits a `u64`.
fn is_decimal(text: &str) -> bool {
    let (minor, below) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !minor.is_empty() && minor.len() <= 15 && is_number(minor) && is_number(below)
}
