//! Prices of subscriptions in words.

use super::money::{amount, fraction, grouped};
use crate::domain::{
    cards::card::{Cost, Discount, Off},
    price::{Amount, Interval, ListPrice},
};

/// Formats `€12.00 / month × 3`. Empty if the price is unknown.
pub fn cost(cost: &Cost, plus_tax: bool) -> String {
    let words = match cost {
        Cost::Unknown => return String::new(),
        Cost::List {
            prices,
            before_discount,
        } => {
            let prices: Vec<_> = prices.iter().map(price).collect();
            let before = if *before_discount {
                " before discount"
            } else {
                ""
            };
            format!("{}{before}", prices.join(" + "))
        }
        Cost::Total {
            next,
            then,
            interval: every,
        } => {
            let then = then.as_ref().map(|then| format!(", then {}", amount(then)));
            let then = then.unwrap_or_default();
            format!("{}{then}{}", amount(next), interval(every.as_ref()))
        }
    };
    if plus_tax {
        format!("{words} plus tax")
    } else {
        words
    }
}

fn price(price: &ListPrice) -> String {
    let unit = match &price.pack {
        Some(pack) => format!(" per {}", grouped(pack.size)),
        None if price.metered => " per unit".to_owned(),
        None => String::new(),
    };
    let times = match price.times() {
        Some(count) if count != 1 => format!(" × {}", grouped(count.unsigned_abs())),
        _ => String::new(),
    };
    let amount = match &price.amount {
        Amount::Exact(money) => amount(money),
        Amount::Decimal { minor, currency } => fraction(minor, currency),
        Amount::Tiered => "Price by quantity".to_owned(),
        Amount::BilledIn { currency } => format!("Billed in {}", currency.to_ascii_uppercase()),
    };
    format!("{amount}{unit}{}{times}", interval(price.interval.as_ref()))
}

/// Formats ` / month` or ` / 3 months`.
fn interval(interval: Option<&Interval>) -> String {
    match interval {
        Some(Interval { unit, count: 1 }) => format!(" / {unit}"),
        Some(Interval { unit, count }) => format!(" / {count} {unit}s"),
        None => String::new(),
    }
}

/// Formats `Discount: 50% off €24.00`.
pub fn discount(discount: &Discount) -> String {
    let list = |all: &[Off]| all.iter().map(off).collect::<Vec<_>>().join(" and ");
    let always = (!discount.always.is_empty()).then(|| {
        let off = discount
            .full
            .as_ref()
            .map(|full| format!(" off {}", amount(full)));
        format!("{}{}", list(&discount.always), off.unwrap_or_default())
    });
    let once = (!discount.once.is_empty())
        .then(|| format!("{} off the next payment", list(&discount.once)));
    let parts: Vec<_> = always.into_iter().chain(once).collect();
    if parts.is_empty() {
        return "A discount applies".to_owned();
    }
    format!("Discount: {}", parts.join(", and "))
}

fn off(off: &Off) -> String {
    match off {
        Off::Percent { percent } => format!("{percent}%"),
        Off::Amount(money) => amount(money),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::mirror::Price;

    fn in_words(row: &Price, billed_in: Option<&str>, quantity: Option<i64>) -> String {
        let price = ListPrice::of(row, billed_in, quantity);
        price.as_ref().map(super::price).unwrap_or_default()
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
        assert_eq!(in_words(&monthly, None, Some(3)), "€12.00 / month × 3");
        assert_eq!(in_words(&monthly, None, Some(1)), "€12.00 / month");
        let quarterly = Price {
            interval_count: Some(3),
            ..monthly.clone()
        };
        assert_eq!(in_words(&quarterly, None, None), "€12.00 / 3 months");
        let tiny = |text: &str| Price {
            unit_amount: None,
            unit_amount_decimal: Some(text.to_owned()),
            usage_type: Some("metered".to_owned()),
            ..monthly.clone()
        };
        assert_eq!(
            in_words(&tiny("0.25"), None, Some(7)),
            "€0.0025 per unit / month"
        );
        assert_eq!(
            in_words(&tiny("1050.5"), None, None),
            "€10.505 per unit / month"
        );
        assert_eq!(in_words(&tiny("x"), None, None), "");
        let tiered = Price {
            billing_scheme: Some("tiered".to_owned()),
            ..tiny("")
        };
        assert_eq!(
            in_words(&tiered, None, None),
            "Price by quantity per unit / month"
        );
        let packs = |round: &str| Price {
            transform_quantity: Some(format!(r#"{{"divide_by":10,"round":"{round}"}}"#)),
            ..monthly.clone()
        };
        assert_eq!(
            in_words(&packs("up"), None, Some(25)),
            "€12.00 per 10 / month × 3"
        );
        assert_eq!(
            in_words(&packs("down"), None, Some(25)),
            "€12.00 per 10 / month × 2"
        );
        assert_eq!(
            in_words(&packs("up"), None, Some(7)),
            "€12.00 per 10 / month"
        );
        assert_eq!(in_words(&Price::default(), None, None), "");
        assert_eq!(in_words(&Price::default(), Some("eur"), None), "");
        assert_eq!(
            in_words(&monthly, Some("eur"), Some(3)),
            "€12.00 / month × 3"
        );
        let foreign = in_words(&monthly, Some("usd"), Some(3));
        assert_eq!(foreign, "Billed in USD / month × 3");
    }
}
