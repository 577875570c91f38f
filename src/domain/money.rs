//! Amounts of money in minor units, as Stripe's API has them. `present::money` formats them for people.

use serde::Serialize;

/// Zero-decimal currencies, and below them three-decimal currencies (<https://docs.stripe.com/currencies#zero-decimal>).
const NO_DECIMALS: &[&str] = &[
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
const THREE_DECIMALS: &[&str] = &["bhd", "jod", "kwd", "omr", "tnd"];
/// Currencies that people use without decimals, although Stripe's amounts are in hundredths
/// (<https://docs.stripe.com/currencies#special-cases>).
const USED_WHOLE: &[&str] = &["isk", "ugx"];

/// An amount in the minor unit of its currency: `€12.00` is 1200 in `eur`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Money {
    pub minor: i64,
    /// The ISO 4217 code in lower case, as Stripe writes it.
    pub currency: String,
}

impl Money {
    pub fn new(minor: i64, currency: &str) -> Money {
        Money {
            minor,
            currency: currency.to_owned(),
        }
    }
}

/// The number of digits after the decimal point.
pub fn decimals(currency: &str) -> u32 {
    if NO_DECIMALS.contains(&currency) {
        0
    } else if THREE_DECIMALS.contains(&currency) {
        3
    } else {
        2
    }
}

/// Whether people use whole units only, although Stripe's amounts are in smaller ones.
pub fn is_used_whole(currency: &str) -> bool {
    USED_WHOLE.contains(&currency)
}

/// Whether Stripe can charge this amount. In some currencies it charges whole units only.
pub fn is_charged(minor: i64, currency: &str) -> bool {
    !is_used_whole(currency) || minor % 100 == 0
}
