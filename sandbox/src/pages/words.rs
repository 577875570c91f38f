//! Customers and subscriptions in words, for every page that shows them.

use serde_json::Value;

use crate::{pages::escape, shapes::price_words, state::table::Table, wire::clock};

pub fn customer_name(customer: &Value) -> &str {
    ["name", "description", "email", "id"]
        .iter()
        .find_map(|field| customer[field].as_str())
        .unwrap_or_default()
}

pub fn product_name<'a>(products: &'a Table, price: &Value) -> &'a str {
    let product = price["product"].as_str().unwrap_or_default();
    products
        .get(product)
        .and_then(|product| product["name"].as_str())
        .unwrap_or("Subscription")
}

pub fn price(subscription: &Value) -> String {
    let item = &subscription["items"]["data"][0];
    price_words::in_words(&item["price"], item["quantity"].as_i64().unwrap_or(1))
}

/// The state in words, and how loud to say it.
pub fn standing(subscription: &Value) -> (&'static str, String) {
    let on = |value: &Value| value.as_i64().map(clock::in_words).unwrap_or_default();
    let period_end = &subscription["items"]["data"][0]["current_period_end"];
    match subscription["status"].as_str().unwrap_or_default() {
        "canceled" => ("off", format!("Ended on {}", on(&subscription["ended_at"]))),
        "past_due" => ("bad", "Payment overdue".to_owned()),
        _ if !subscription["cancel_at"].is_null() => {
            ("off", format!("Ends on {}", on(&subscription["cancel_at"])))
        }
        "trialing" => (
            "good",
            format!("Trial until {}", on(&subscription["trial_end"])),
        ),
        "active" => ("good", format!("Active, renews on {}", on(period_end))),
        other => ("off", escape(other)),
    }
}
