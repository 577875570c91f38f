//! Amounts as people read them.

use crate::domain::money::{Money, decimals, is_used_whole};

/// Formats `€12.00`.
pub fn amount(money: &Money) -> String {
    let currency = money.currency.as_str();
    let places = decimals(currency);
    let unit = 10_u64.pow(places);
    let minor = money.minor.unsigned_abs();
    let (whole, rest) = (minor / unit, minor % unit);
    let number = match places {
        0 => grouped(whole),
        _ if is_used_whole(currency) => grouped(whole + rest / (unit / 2)),
        _ => format!("{}.{rest:0width$}", grouped(whole), width = places as usize),
    };
    signed(money.minor < 0, &number, currency)
}

/// Formats an amount below the minor unit, as Stripe writes it: `0.25` cents become `€0.0025`.
pub fn fraction(text: &str, currency: &str) -> String {
    let (minor, below) = text.split_once('.').unwrap_or((text, ""));
    let places = decimals(currency) as usize;
    let padded = format!("{minor:0>width$}", width = places + 1);
    let (whole, rest) = padded.split_at(padded.len() - places);
    let decimals = format!("{rest}{below}");
    let decimals = decimals.trim_end_matches('0');
    let decimals = format!("{decimals:0<places$}");
    let point = if decimals.is_empty() { "" } else { "." };
    let is_whole = is_used_whole(currency) && decimals.bytes().all(|digit| digit == b'0');
    let (point, decimals) = if is_whole {
        ("", "")
    } else {
        (point, decimals.as_str())
    };
    let whole = grouped(whole.parse().unwrap_or_default());
    signed(false, &format!("{whole}{point}{decimals}"), currency)
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

/// Formats `12,345`.
pub fn grouped(number: u64) -> String {
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
            assert_eq!(amount(&Money::new(minor, currency)), text);
        }
    }
}
