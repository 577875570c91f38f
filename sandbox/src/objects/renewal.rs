//! What only time brings about: the next period of a subscription, with its invoice.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    objects::{discounts, events::Cause, invoices, subscriptions::end},
    shapes::{
        cards::{self, Charge},
        subscriptions::{self, period_end},
    },
    state::State,
    wire::{error::ApiError, ids},
};

/// How the payment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Whatever the card is.
    Paid,
    Failed,
    /// As the card decides.
    Card,
}

/// Whether a period of it can follow.
pub fn does_renew(subscription: &Value) -> bool {
    let status = subscription["status"].as_str().unwrap_or_default();
    ["active", "past_due", "trialing", "unpaid"].contains(&status)
}

/// One period on. A subscription that was to end, ends. One that was tried, is paid from now on.
pub fn renew(
    state: &mut State,
    cause: &Cause,
    id: &str,
    outcome: Outcome,
) -> Result<Value, ApiError> {
    let mut subscription = state.subscriptions.find("subscription", id)?.clone();
    let status = subscription["status"].as_str().unwrap_or_default();
    if !does_renew(&subscription) {
        return Err(ApiError::invalid(
            "subscription",
            format!("A subscription that is {status} does not renew."),
        ));
    }
    let last_start = subscription["items"]["data"][0]["current_period_start"].as_i64();
    let last_end = subscription["items"]["data"][0]["current_period_end"].as_i64();
    if let (Some(ends), Some(period)) = (subscription["cancel_at"].as_i64(), last_end)
        && ends <= period
    {
        return Ok(end(state, cause, subscription));
    }
    advance(&mut subscription, None);
    if subscription["status"] == "trialing" {
        subscription["status"] = json!("active");
    }
    let charge = match outcome {
        Outcome::Paid => Some(Charge::Succeeds),
        Outcome::Failed => Some(Charge::DeclinedLater),
        Outcome::Card => None,
    };
    bill_period(state, cause, subscription, last_start, charge)
}

/// Stores the subscription, whose new period runs already, and bills that period. Without an order
/// the card decides how the payment goes.
pub fn bill_period(
    state: &mut State,
    cause: &Cause,
    mut subscription: Value,
    last_start: Option<i64>,
    ordered: Option<Charge>,
) -> Result<Value, ApiError> {
    let id = subscription["id"].as_str().unwrap_or_default().to_owned();
    let begins = subscription["items"]["data"][0]["current_period_start"]
        .as_i64()
        .unwrap_or(cause.at);
    discounts::expire(state, cause, &mut subscription, begins);
    let owner = subscription["customer"].as_str().unwrap_or_default();
    let customer = state.named_customer(owner)?;
    let own = discounts::of_subscription(state, &subscription);
    let counting = discounts::counting(state, &customer, own, begins);
    let invoice = ids::long("in_");
    subscription["latest_invoice"] = json!(invoice);
    let draft = invoices::for_subscription(
        state,
        &customer,
        &subscription,
        &counting,
        &invoice,
        cause.at,
        last_start,
    );
    let owner = customer["id"].as_str().unwrap_or_default();
    let method = state.payment_method_for(&subscription, owner);
    let charge = ordered.or(method.as_ref().map(cards::charge));
    state.update_subscription(cause, subscription);
    let method = method.unwrap_or_default();
    let payment = charge.map(|charge| (&method, charge));
    invoices::bill(state, cause, draft, payment);
    Ok(state.subscriptions.find("subscription", &id)?.clone())
}

/// Each item has its own period; the next begins where the last ends, or at `start`.
pub fn advance(subscription: &mut Value, start: Option<i64>) {
    let advanced: Vec<Value> = subscriptions::all_of(subscription)
        .iter()
        .map(|item| {
            let end = item["current_period_end"].as_i64().unwrap_or_default();
            let start = start.unwrap_or(end);
            let mut item = item.clone();
            item["current_period_start"] = json!(start);
            item["current_period_end"] = json!(period_end(&item["price"], start));
            item
        })
        .collect();
    subscription["items"]["data"] = json!(advanced);
}
