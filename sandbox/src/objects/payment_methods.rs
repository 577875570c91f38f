//! Payment methods: found, attached to a customer, declined.

use serde_json::{Value, json};

use crate::{
    objects::events::Cause,
    shapes::cards::{Charge, build, charge, find},
    state::State,
    wire::{clock, error::ApiError, ids},
};

/// A payment method by id or by the name of a test card, which makes a new one.
pub fn resolve(state: &State, name: &str) -> Result<Value, ApiError> {
    let fresh = || find(name).map(|card| build(&ids::long("pm_"), card, clock::now()));
    state
        .payment_methods
        .get(name)
        .cloned()
        .or_else(|| fresh().filter(|_| name.starts_with("pm_")))
        .ok_or_else(|| ApiError::no_such_param("payment_method", "PaymentMethod", name))
}

/// Gives it to the customer. What the customer is called, the card is called, unless it says so
/// itself.
pub fn attach(state: &mut State, cause: &Cause, mut method: Value, customer: &Value) -> Value {
    method["customer"] = customer["id"].clone();
    for field in ["email", "name"] {
        if method["billing_details"][field].is_null() {
            method["billing_details"][field] = customer[field].clone();
        }
    }
    state.emit(cause, "payment_method.attached", &method);
    state.payment_methods.put(method.clone());
    method
}

/// Refuses a card that its bank does not want to be saved.
pub fn check_savable(method: &Value) -> Result<(), ApiError> {
    if charge(method) == Charge::Declined {
        return Err(declined(json!({})));
    }
    Ok(())
}

/// 402 with what the caller adds, such as the payment that failed.
pub fn declined(mut more: Value) -> ApiError {
    more["decline_code"] = json!("generic_decline");
    ApiError::card("card_declined", "Your card was declined.", more)
}

pub fn missing_method() -> ApiError {
    ApiError::new(
        axum::http::StatusCode::BAD_REQUEST,
        "This customer has no attached payment source or default payment method. Please consider \
         adding a default payment method. For more information, visit \
         https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
    )
    .code("resource_missing")
}
