//! How a price looks, and what it comes to.

use serde_json::{Value, json};

/// `interval` is none for a price that is paid once.
pub fn build(
    id: &str,
    product: &str,
    amount: i64,
    currency: &str,
    interval: Option<(&str, i64)>,
    created: i64,
) -> Value {
    let recurring = interval.map(|(interval, count)| {
        json!({
            "interval": interval,
            "interval_count": count,
            "meter": null,
            "trial_period_days": null,
            "usage_type": "licensed",
        })
    });
    json!({
        "id": id,
        "object": "price",
        "active": true,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": currency,
        "custom_unit_amount": null,
        "livemode": false,
        "lookup_key": null,
        "metadata": {},
        "nickname": null,
        "product": product,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": null,
        "transform_quantity": null,
        "type": if recurring.is_some() { "recurring" } else { "one_time" },
        "unit_amount": amount,
        "unit_amount_decimal": amount.to_string(),
    })
}

/// The price as others show it: Stripe leaves out the tiers unless asked to expand them.
pub fn shown(mut price: Value) -> Value {
    if let Some(fields) = price.as_object_mut() {
        fields.remove("tiers");
    }
    price
}

/// What `quantity` of it comes to.
pub fn amount(price: &Value, quantity: i64) -> i64 {
    let Some(tiers) = price["tiers"].as_array() else {
        let unit = price["unit_amount"].as_i64().unwrap_or_default();
        return unit.saturating_mul(quantity);
    };
    let volume = price["tiers_mode"] == "volume";
    let mut below = 0;
    let mut sum = 0_i64;
    for tier in tiers {
        let end = tier["up_to"].as_i64().unwrap_or(i64::MAX);
        if quantity > end && volume {
            continue;
        }
        let within = if volume {
            quantity
        } else {
            quantity.min(end) - below
        };
        let unit = tier["unit_amount"].as_i64().unwrap_or_default();
        sum = sum
            .saturating_add(unit.saturating_mul(within))
            .saturating_add(tier["flat_amount"].as_i64().unwrap_or_default());
        below = end;
        if quantity <= end {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_summed_by_their_mode() {
        let mut price = build("p", "q", 0, "eur", Some(("month", 1)), 0);
        price["tiers"] = json!([
            { "up_to": 10, "unit_amount": 100, "flat_amount": null },
            { "up_to": null, "unit_amount": 50, "flat_amount": 7 },
        ]);
        price["tiers_mode"] = json!("graduated");
        assert_eq!(amount(&price, 10), 1_000);
        assert_eq!(amount(&price, 12), 1_000 + 2 * 50 + 7);
        price["tiers_mode"] = json!("volume");
        assert_eq!(amount(&price, 10), 1_000);
        assert_eq!(amount(&price, 12), 12 * 50 + 7);
    }
}
