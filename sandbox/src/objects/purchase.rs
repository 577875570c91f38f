//! A purchase without a visit: a session as a shop would make it, completed at once.

use serde_json::{Value, json};

use crate::{
    objects::{checkout::complete, events::Cause},
    shapes::{
        checkout::{build, line_item},
        prices,
    },
    state::State,
    wire::error::ApiError,
};

/// Somebody who buys.
#[derive(Debug, Clone, Copy)]
pub enum Buyer<'a> {
    /// By id.
    Known(&'a str),
    /// By address: a customer is made, whoever else has it.
    New(&'a str),
}

/// Subscribes to the price once, with a Visa that pays. Gives the completed session.
pub fn buy(
    state: &mut State,
    cause: &Cause,
    buyer: Buyer<'_>,
    price: &str,
) -> Result<Value, ApiError> {
    let price = state.prices.named("price", "price", price)?.clone();
    if price["active"] != true || !price["recurring"].is_object() {
        return Err(ApiError::invalid("price", "This price is not for sale."));
    }
    let (customer, email) = match buyer {
        Buyer::Known(id) => (json!(state.named_customer(id)?["id"]), Value::Null),
        Buyer::New(email) => (Value::Null, json!(email)),
    };
    let product = price["product"].as_str().unwrap_or_default();
    let name = state
        .products
        .get(product)
        .map_or(Value::Null, |product| product["name"].clone());
    let amount = prices::amount(&price, 1);
    let line = line_item(&prices::shown(price.clone()), 1, amount, &name);
    let asked = json!({
        "currency": price["currency"],
        "customer": customer,
        "customer_creation": if email.is_null() { Value::Null } else { json!("always") },
        "customer_email": email,
        "details": {},
        "line_items": [line],
    });
    let session = build(&state.base_url, cause.at, "subscription", amount, asked);
    let id = session["id"].as_str().unwrap_or_default().to_owned();
    state.checkout_sessions.put(session);
    complete(state, cause, &id, None)
}
