//! Prices: what a product costs and how often, one amount per unit.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use super::{
    error::{Answer, ApiError},
    events::Because,
    ids,
    params::{Params, nullable},
    state::Shared,
    table::{Created, Page, list},
};

/// Currencies whose smallest unit is the whole one.
const WITHOUT_CENTS: [&str; 16] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv",
    "xaf", "xof", "xpf",
];

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

/// For people: `€12.00 per month`.
pub fn in_words(price: &Value, quantity: i64) -> String {
    let amount = price["unit_amount"]
        .as_i64()
        .unwrap_or_default()
        .saturating_mul(quantity);
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

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let currency = params.required("currency")?.to_lowercase();
    if currency.len() != 3 || !currency.chars().all(|c| c.is_ascii_lowercase()) {
        return Err(ApiError::invalid(
            "currency",
            "Invalid currency: it must be a three-letter ISO code.",
        ));
    }
    let product = params.required("product")?;
    let amount = params
        .integer("unit_amount")?
        .ok_or_else(|| ApiError::missing("unit_amount"))?;
    let interval = params.group("recurring")?.map(read_interval).transpose()?;
    let interval = interval
        .as_ref()
        .map(|(interval, count)| (interval.as_str(), *count));
    let mut price = build(
        &ids::long("price_"),
        &product,
        amount,
        &currency,
        interval,
        because.at,
    );
    for field in ["lookup_key", "nickname"] {
        price[field] = nullable(params.text(field)?.unwrap_or_default());
    }
    if let Some(active) = params.flag("active")? {
        price["active"] = json!(active);
    }
    params.metadata(&mut price["metadata"])?;
    params.ignore(&["tax_behavior", "billing_scheme"]);
    params.finish()?;
    let mut state = app.write();
    if state.products.get(&product).is_none() {
        return Err(ApiError::no_such_param("product", "product", &product));
    }
    state.emit(&because, "price.created", &price);
    state.prices.put(price.clone());
    Ok(Json(price))
}

fn read_interval(mut recurring: Params) -> Result<(String, i64), ApiError> {
    let interval = recurring.choice("interval", &["day", "month", "week", "year"])?;
    let interval = interval.ok_or_else(|| ApiError::missing("recurring[interval]"))?;
    let count = recurring.integer("interval_count")?.unwrap_or(1);
    recurring.ignore(&["usage_type"]);
    recurring.finish()?;
    if !(1..=1095).contains(&count) {
        return Err(ApiError::invalid(
            "recurring[interval_count]",
            "The interval must be between one day and three years.",
        ));
    }
    Ok((interval, count))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let price = app.read().prices.get(&id).cloned();
    price
        .map(Json)
        .ok_or_else(|| ApiError::no_such("price", &id))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::from(&mut params)?;
    let created = Created::from(&mut params)?;
    let active = params.flag("active")?;
    let product = params.text("product")?;
    let kind = params.text("type")?;
    params.finish()?;
    let (data, more) = app.read().prices.page(&page, "price", |price| {
        created.holds(price)
            && active.is_none_or(|active| price["active"] == active)
            && product
                .as_ref()
                .is_none_or(|product| price["product"] == **product)
            && kind.as_ref().is_none_or(|kind| price["type"] == **kind)
    })?;
    Ok(Json(list("/v1/prices", data, more)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_read_well() {
        let price = |amount, currency, interval| {
            in_words(&build("p", "q", amount, currency, interval, 0), 1)
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
