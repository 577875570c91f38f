//! Amounts of money as Stripe counts them. `present::money` makes of them what people read.

use serde::Serialize;

/// Currencies whose minor unit is the unit itself, and those with a thousand of them
/// (<https://docs.stripe.com/currencies#zero-decimal>).
const NO_DECIMALS: &[&str] = &[
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
const THREE_DECIMALS: &[&str] = &["bhd", "jod", "kwd", "omr", "tnd"];
/// Those that are used without decimals, though Stripe counts hundredths of them
/// (<https://docs.stripe.com/currencies#special-cases>).
const USED_WHOLE: &[&str] = &["isk", "ugx"];

/// An amount in the minor unit of its currency: `€12.00` are 1200 of `eur`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Money {
    pub minor: i64,
    /// As Stripe writes it, in small letters.
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

/// Digits after the point.
pub fn decimals(currency: &str) -> u32 {
    if NO_DECIMALS.contains(&currency) {
        0
    } else if THREE_DECIMALS.contains(&currency) {
        3
    } else {
        2
    }
}

/// Whether people use whole units alone, though Stripe counts smaller ones.
pub fn is_used_whole(currency: &str) -> bool {
    USED_WHOLE.contains(&currency)
}

/// Whether Stripe charges such an amount: of some currencies whole units alone.
pub fn is_charged(minor: i64, currency: &str) -> bool {
    !is_used_whole(currency) || minor % 100 == 0
}
