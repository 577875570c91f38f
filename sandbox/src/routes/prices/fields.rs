//! The parameters of a price.

use serde_json::{Value, json};

use crate::{
    shapes::prices::build,
    wire::{
        error::ApiError,
        params::{self, Params, nullable},
    },
};

/// What is decided at creation and never changes. The product is set by the caller.
pub fn read(id: &str, created: i64, params: &mut Params) -> Result<Value, ApiError> {
    let currency = currency(params)?;
    let scheme = params.choice("billing_scheme", &["per_unit", "tiered"])?;
    let tiered = scheme.as_deref() == Some("tiered");
    let amount = match (unit_amount(params)?, tiered) {
        (None, true) => 0,
        (Some(_), true) => {
            return Err(ApiError::invalid(
                "unit_amount",
                "You may not specify `unit_amount` when `billing_scheme` is `tiered`.",
            ));
        }
        (amount, false) => amount.ok_or_else(|| ApiError::missing("unit_amount"))?,
    };
    let recurring = params.group("recurring")?.map(read_recurring).transpose()?;
    let mut price = build(id, "", amount, &currency, None, created);
    if let Some(recurring) = recurring {
        price["recurring"] = recurring;
        price["type"] = json!("recurring");
    }
    if tiered {
        let modes = ["graduated", "volume"];
        let mode = params.choice("tiers_mode", &modes)?;
        price["billing_scheme"] = json!("tiered");
        price["tiers_mode"] = json!(mode.ok_or_else(|| ApiError::missing("tiers_mode"))?);
        price["tiers"] = read_tiers(params)?;
        price["unit_amount"] = Value::Null;
        price["unit_amount_decimal"] = Value::Null;
    }
    if let Some(mut transform) = params.group("transform_quantity")? {
        price["transform_quantity"] = json!({
            "divide_by": transform.integer("divide_by")?,
            "round": transform.choice("round", &["down", "up"])?,
        });
        transform.finish()?;
    }
    Ok(price)
}

/// What can change later too. Tells whether the lookup key may be taken from another price.
pub fn apply(price: &mut Value, params: &mut Params) -> Result<bool, ApiError> {
    for field in ["lookup_key", "nickname"] {
        if let Some(text) = params.text(field)? {
            price[field] = nullable(text);
        }
    }
    if let Some(active) = params.flag("active")? {
        price["active"] = json!(active);
    }
    let behaviors = ["exclusive", "inclusive", "unspecified"];
    if let Some(behavior) = params.choice("tax_behavior", &behaviors)? {
        price["tax_behavior"] = json!(behavior);
    }
    params.metadata(&mut price["metadata"])?;
    Ok(params.flag("transfer_lookup_key")?.unwrap_or(false))
}

pub fn currency(params: &mut Params) -> Result<String, ApiError> {
    let currency = params.required("currency")?.to_lowercase();
    if currency.len() != 3 || !currency.chars().all(|c| c.is_ascii_lowercase()) {
        return Err(ApiError::invalid(
            &params.name("currency"),
            format!("Invalid currency: {}.", params::first(&currency, 20)),
        ));
    }
    Ok(currency)
}

/// Whole units of the smallest coin only: fractions of a cent are not for the stand-in.
fn unit_amount(params: &mut Params) -> Result<Option<i64>, ApiError> {
    let amount = match params.integer("unit_amount")? {
        None => params.integer("unit_amount_decimal")?,
        given => given,
    };
    if amount.is_some_and(i64::is_negative) {
        return Err(
            ApiError::invalid(&params.name("unit_amount"), "Invalid non-negative integer")
                .code("parameter_invalid_integer"),
        );
    }
    Ok(amount)
}

fn read_recurring(mut recurring: Params) -> Result<Value, ApiError> {
    let interval = recurring.choice("interval", &["day", "month", "week", "year"])?;
    let interval = interval.ok_or_else(|| ApiError::missing("recurring[interval]"))?;
    let count = recurring.integer("interval_count")?.unwrap_or(1);
    let usage = recurring.choice("usage_type", &["licensed", "metered"])?;
    let meter = recurring.text("meter")?;
    let trial = recurring.integer("trial_period_days")?;
    recurring.finish()?;
    let most = match interval.as_str() {
        "day" => 1_095,
        "week" => 156,
        "month" => 36,
        _ => 3,
    };
    if !(1..=most).contains(&count) {
        return Err(ApiError::invalid(
            "recurring[interval_count]",
            "The interval must be between one day and three years.",
        ));
    }
    Ok(json!({
        "interval": interval,
        "interval_count": count,
        "meter": meter,
        "trial_period_days": trial,
        "usage_type": usage.as_deref().unwrap_or("licensed"),
    }))
}

/// Ascending, and the last without an end.
fn read_tiers(params: &mut Params) -> Result<Value, ApiError> {
    let groups = params
        .groups("tiers")?
        .ok_or_else(|| ApiError::missing("tiers"))?;
    let mut tiers = Vec::with_capacity(groups.len());
    let mut last = Some(0);
    for mut tier in groups {
        let place = tier.name("up_to");
        let up_to = match tier.required("up_to")?.as_str() {
            "inf" => None,
            number => Some(number.parse::<i64>().map_err(|_| {
                ApiError::invalid(&place, "Invalid integer").code("parameter_invalid_integer")
            })?),
        };
        let ascending = last.is_some_and(|last| up_to.is_none_or(|up_to| up_to > last));
        if !ascending {
            return Err(ApiError::invalid(
                &place,
                "The `up_to` values of tiers must be ascending, and the last one `inf`.",
            ));
        }
        last = up_to;
        let unit = unit_amount(&mut tier)?;
        let flat = tier.integer("flat_amount")?;
        tier.finish()?;
        tiers.push(json!({
            "flat_amount": flat,
            "flat_amount_decimal": flat.map(|amount| amount.to_string()),
            "unit_amount": unit,
            "unit_amount_decimal": unit.map(|amount| amount.to_string()),
            "up_to": up_to,
        }));
    }
    if last.is_some() {
        return Err(ApiError::invalid(
            "tiers",
            "The last tier must have `up_to` set to `inf`.",
        ));
    }
    Ok(json!(tiers))
}
