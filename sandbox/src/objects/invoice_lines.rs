//! The lines of invoices: one for each item of a subscription, or for a single charge.

use serde_json::{Value, json};

use crate::{
    shapes::{
        price_words::{self, money},
        prices,
    },
    state::State,
};

/// One line for each item, for the period that runs.
pub fn of_subscription(state: &State, subscription: &Value) -> Vec<Value> {
    let trial = subscription["status"] == "trialing";
    let items = subscription["items"]["data"].as_array();
    items
        .into_iter()
        .flatten()
        .map(|item| {
            let quantity = item["quantity"].as_i64().unwrap_or(1);
            // The item does not show the tiers of its price.
            let price = item["price"]["id"].as_str().unwrap_or_default();
            let price = state.prices.get(price).unwrap_or(&item["price"]);
            let product = product_name(state, price);
            let (amount, description) = if trial {
                (0, format!("Trial period for {product}"))
            } else {
                let words = price_words::in_words(price, 1);
                (
                    prices::amount(price, quantity),
                    format!("{quantity} × {product} (at {words})"),
                )
            };
            let parent = json!({
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": null,
                    "proration": false,
                    "proration_details": { "credited_items": null },
                    "subscription": subscription["id"],
                    "subscription_item": item["id"],
                },
                "type": "subscription_item_details",
            });
            let mut line = line(amount, &subscription["currency"], &description, parent);
            line["period"] =
                json!({ "end": item["current_period_end"], "start": item["current_period_start"] });
            line["pricing"] = pricing(price);
            line["quantity"] = json!(quantity);
            line["quantity_decimal"] = json!(quantity.to_string());
            line["subscription"] = subscription["id"].clone();
            line
        })
        .collect()
}

/// The line that an invoice item becomes.
pub fn of_item(item: &Value) -> Value {
    let parent = json!({
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": false,
            "proration_details": null,
            "subscription": null,
        },
        "subscription_item_details": null,
        "type": "invoice_item_details",
    });
    let amount = item["amount"].as_i64().unwrap_or_default();
    let description = item["description"].as_str();
    let description = description.map_or_else(
        || money(amount, item["currency"].as_str().unwrap_or_default()),
        str::to_owned,
    );
    let mut line = line(amount, &item["currency"], &description, parent);
    for field in [
        "metadata",
        "period",
        "pricing",
        "quantity",
        "quantity_decimal",
    ] {
        line[field] = item[field].clone();
    }
    line
}

pub fn pricing(price: &Value) -> Value {
    json!({
        "price_details": { "price": price["id"], "product": price["product"] },
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    })
}

fn product_name(state: &State, price: &Value) -> String {
    let id = price["product"].as_str().unwrap_or_default();
    let name = state
        .products
        .get(id)
        .and_then(|product| product["name"].as_str());
    name.unwrap_or(id).to_owned()
}

/// Id and invoice come when an invoice takes it in.
fn line(amount: i64, currency: &Value, description: &str, parent: Value) -> Value {
    json!({
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": true,
        "discounts": [],
        "livemode": false,
        "metadata": {},
        "parent": parent,
        "pretax_credit_amounts": [],
        "subscription": null,
        "subtotal": amount,
        "taxes": [],
    })
}
