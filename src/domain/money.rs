//! Amounts as people read them.

use crate::store::mirror::Price;

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

/// What is said instead of an amount that is not known in the currency that is billed in.
pub const BILLED_IN: &str = "Billed in";

/// `€12.00` from minor units.
pub fn amount(minor: i64, currency: &str) -> String {
    let places = places(currency);
    let unit = 10_u64.pow(places);
    let (whole, rest) = (minor.unsigned_abs() / unit, minor.unsigned_abs() % unit);
    let number = match places {
        0 => grouped(whole),
        _ if USED_WHOLE.contains(&currency) => grouped(whole + rest / (unit / 2)),
        _ => format!("{}.{rest:0width$}", grouped(whole), width = places as usize),
    };
    signed(minor < 0, &number, currency)
}

/// Whether Stripe charges such an amount: of some currencies whole units alone.
pub fn is_charged(minor: i64, currency: &str) -> bool {
    !USED_WHOLE.contains(&currency) || minor % 100 == 0
}

/// `€12.00 / month × 3`. A price may have amounts in several currencies, of which Stripe tells one: of what
/// is `billed_in` another, only that is said. Otherwise empty where there is no amount
/// (`currency_options` on <https://docs.stripe.com/api/prices/object>).
pub fn price(price: &Price, billed_in: Option<&str>, quantity: Option<i64>) -> String {
    let currency = price.currency.as_deref().unwrap_or_default();
    let other = billed_in.filter(|billed_in| !currency.is_empty() && *billed_in != currency);
    let amount = match (price.unit_amount, &price.unit_amount_decimal) {
        _ if price.billing_scheme.as_deref() == Some("tiered") => "Price by quantity".to_owned(),
        _ if let Some(other) = other => format!("{BILLED_IN} {}", other.to_ascii_uppercase()),
        (Some(minor), _) => amount(minor, currency),
        (None, Some(text)) => match fraction(text, currency) {
            Some(amount) => amount,
            None => return String::new(),
        },
        (None, None) => return String::new(),
    };
    let is_metered = price.usage_type.as_deref() == Some("metered");
    let pack = Pack::of(price);
    let unit = match &pack {
        Some(pack) => format!(" per {}", grouped(pack.size)),
        None if is_metered => " per unit".to_owned(),
        None => String::new(),
    };
    let times = match quantity.map(|count| units(price, count)) {
        Some(count) if count != 1 && !is_metered => format!(" × {}", grouped(count.unsigned_abs())),
        _ => String::new(),
    };
    format!("{amount}{unit}{}{times}", interval(price))
}

/// How often a price is paid for a quantity: less often where units are sold in packs.
pub fn units(price: &Price, quantity: i64) -> i64 {
    Pack::of(price).map_or(quantity, |pack| pack.count(quantity))
}

/// Units that are sold together.
#[derive(Clone, Copy)]
struct Pack {
    size: u64,
    /// A pack that is begun counts.
    rounds_up: bool,
}

impl Pack {
    fn of(price: &Price) -> Option<Pack> {
        let text = price.transform_quantity.as_deref()?;
        let transform: serde_json::Value = serde_json::from_str(text).ok()?;
        Some(Pack {
            size: transform.get("divide_by")?.as_u64().filter(|it| *it > 1)?,
            rounds_up: transform.get("round").and_then(|it| it.as_str()) == Some("up"),
        })
    }

    /// How many of them are paid for.
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

/// ` / month` or ` / 3 months`
pub fn interval(price: &Price) -> String {
    match (price.interval.as_deref(), price.interval_count) {
        (Some(interval), None | Some(1)) => format!(" / {interval}"),
        (Some(interval), Some(count)) => format!(" / {count} {interval}s"),
        (None, _) => String::new(),
    }
}

/// An amount below the minor unit, as Stripe writes it: `0.25` cents are `€0.0025`.
fn fraction(text: &str, currency: &str) -> Option<String> {
    let (minor, below) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if minor.is_empty() || minor.len() > 15 || !is_number(minor) || !is_number(below) {
        return None;
    }
    let places = places(currency) as usize;
    let padded = format!("{minor:0>width$}", width = places + 1);
    let (whole, rest) = padded.split_at(padded.len() - places);
    let decimals = format!("{rest}{below}");
    let decimals = decimals.trim_end_matches('0');
    let decimals = format!("{decimals:0<places$}");
    let point = if decimals.is_empty() { "" } else { "." };
    let is_whole = USED_WHOLE.contains(&currency) && decimals.bytes().all(|digit| digit == b'0');
    let (point, decimals) = if is_whole {
        ("", "")
    } else {
        (point, decimals.as_str())
    };
    let number = format!("{}{point}{decimals}", grouped(whole.parse().ok()?));
    Some(signed(false, &number, currency))
}

fn places(currency: &str) -> u32 {
    if NO_DECIMALS.contains(&currency) {
        0
    } else if THREE_DECIMALS.contains(&currency) {
        3
    } else {
        2
    }
}

fn signed(is_negative: bool, number: &str, currency: &str) -> String {
    let minus = if is_negative { "−" } else { "" };
    let symbol = match currency {
        "eur" => "€",
        "usd" => "$",
        "gbp" => "£",
        "jpy" => "¥",
        "inr" => "₹",
        "krw" => "₩",
        "brl" => "R$",
        "aud" => "A$",
        "cad" => "CA$",
        "nzd" => "NZ$",
        _ => return format!("{minus}{} {number}", currency.to_ascii_uppercase()),
    };
    format!("{minus}{symbol}{number}")
}

/// `12,345`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (minor, currency, text) in [
            (1200, "eur", "€12.00"),
            (5, "usd", "$0.05"),
            (123_456_789, "usd", "$1,234,567.89"),
            (1200, "jpy", "¥1,200"),
            (1200, "kwd", "KWD 1.200"),
            (200_000, "ugx", "UGX 2,000"),
            (250_050, "isk", "ISK 2,501"),
            (350_000, "huf", "HUF 3,500.00"),
            (990, "chf", "CHF 9.90"),
            (-250, "gbp", "−£2.50"),
            (i64::MIN, "eur", "−€92,233,720,368,547,758.08"),
        ] {
            assert_eq!(amount(minor, currency), text);
        }
    }

    #[test]
    fn prices_say_how_often_and_how_many() {
        let monthly = Price {
            currency: Some("eur".to_owned()),
            unit_amount: Some(1200),
            interval: Some("month".to_owned()),
            interval_count: Some(1),
            ..Price::default()
        };
        assert_eq!(price(&monthly, None, Some(3)), "€12.00 / month × 3");
        assert_eq!(price(&monthly, None, Some(1)), "€12.00 / month");
        let quarterly = Price {
            interval_count: Some(3),
            ..monthly.clone()
        };
        assert_eq!(price(&quarterly, None, None), "€12.00 / 3 months");
        let tiny = |text: &str| Price {
            unit_amount: None,
            unit_amount_decimal: Some(text.to_owned()),
            usage_type: Some("metered".to_owned()),
            ..monthly.clone()
        };
        assert_eq!(
            price(&tiny("0.25"), None, Some(7)),
            "€0.0025 per unit / month"
        );
        assert_eq!(
            price(&tiny("1050.5"), None, None),
            "€10.505 per unit / month"
        );
        assert_eq!(price(&tiny("x"), None, None), "");
        let tiered = Price {
            billing_scheme: Some("tiered".to_owned()),
            ..tiny("")
        };
        assert_eq!(
            price(&tiered, None, None),
            "Price by quantity per unit / month"
        );
        let packs = |round: &str| Price {
            transform_quantity: Some(format!(r#"{{"divide_by":10,"round":"{round}"}}"#)),
            ..monthly.clone()
        };
        assert_eq!(
            price(&packs("up"), None, Some(25)),
            "€12.00 per 10 / month × 3"
        );
        assert_eq!(
            price(&packs("down"), None, Some(25)),
            "€12.00 per 10 / month × 2"
        );
        assert_eq!(price(&packs("up"), None, Some(7)), "€12.00 per 10 / month");
        assert_eq!(price(&Price::default(), None, None), "");
        assert_eq!(price(&Price::default(), Some("eur"), None), "");
        assert_eq!(price(&monthly, Some("eur"), Some(3)), "€12.00 / month × 3");
        let foreign = price(&monthly, Some("usd"), Some(3));
        assert_eq!(foreign, "Billed in USD / month × 3");
    }
}
