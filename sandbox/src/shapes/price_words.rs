//! Prices for people to read.

use serde_json::Value;

use crate::shapes::prices::amount;

/// Currencies whose smallest unit is the whole one.
const WITHOUT_CENTS: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
    "xaf", "xof", "xpf",
];

/// For people: `€12.00 per month`.
pub fn in_words(price: &Value, quantity: i64) -> String {
    let amount = amount(price, quantity);
    let amount = money(amount, price["currency"].as_str().unwrap_or_default());
    let interval = price["recurring"]["interval"].as_str();
    match (
        interval,
        price["recurring"]["interval_count"].as_i64().unwrap_or(1),
    ) {
        (None, _) => amount,
        (Some(interval), 1) => format!("{amount} per {interval}"),
        (Some(interval), count) => format!("{amount} every {count} {interval}s"),
    }
}

/// For people: `€12.00`, `CHF 12.00`, `¥1200`.
pub fn money(amount: i64, currency: &str) -> String {
    let sign = if amount < 0 { "-" } else { "" };
    let size = amount.unsigned_abs();
    let number = if WITHOUT_CENTS.contains(&currency) {
        size.to_string()
    } else {
        format!("{}.{:02}", size / 100, size % 100)
    };
    match currency {
        "eur" => format!("{sign}€{number}"),
        "usd" => format!("{sign}${number}"),
        "gbp" => format!("{sign}£{number}"),
        "jpy" => format!("{sign}¥{number}"),
        other => format!("{sign}{} {number}", other.to_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use crate::shapes::prices;

    use super::*;

    #[test]
    fn prices_read_well() {
        let price = |amount, currency, interval| {
            in_words(&prices::build("p", "q", amount, currency, interval, 0), 1)
        };
        assert_eq!(price(1200, "eur", Some(("month", 1))), "€12.00 per month");
        assert_eq!(
            price(995, "usd", Some(("month", 3))),
            "$9.95 every 3 months"
        );
        assert_eq!(price(1200, "jpy", None), "¥1200");
        assert_eq!(money(-5, "chf"), "-CHF 0.05");
    }
}
