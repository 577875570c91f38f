//! The invoices of subscriptions, which come by themselves.

use serde_json::{Value, json};

use crate::{
    objects::{billing, discounts, events::Cause, invoice_lines},
    shapes::{
        cards::Charge,
        invoices::{self, Draft, build},
    },
    state::State,
    wire::clock::DAY,
};

/// The draft for the period of the subscription that runs now. The discounts come with their coupons.
pub fn for_subscription(
    state: &State,
    customer: &Value,
    subscription: &Value,
    discounts: &[Value],
    id: &str,
    created: i64,
    since: Option<i64>,
) -> Value {
    let reason = if since.is_some() {
        "subscription_cycle"
    } else {
        "subscription_create"
    };
    let start = subscription["items"]["data"][0]["current_period_start"]
        .as_i64()
        .unwrap_or(created);
    let mut invoice = build(Draft {
        id,
        customer,
        currency: &subscription["currency"],
        created,
        period: (since.unwrap_or(start), start),
        reason,
        subscription: Some(subscription),
        lines: invoice_lines::of_subscription(state, subscription),
    });
    invoices::discount(&mut invoice, discounts);
    if invoice["collection_method"] == "send_invoice" {
        let days = subscription["days_until_due"].as_i64().unwrap_or(30);
        invoice["due_date"] = json!(created + days.clamp(0, 10_000) * DAY);
    }
    invoice
}

/// Bills the subscription: from draft to paid, or as far as it goes. Without a way to pay it stays
/// open.
pub fn bill(state: &mut State, cause: &Cause, draft: Value, payment: Option<(&Value, Charge)>) {
    let id = draft["id"].as_str().unwrap_or_default().to_owned();
    let nothing_due = draft["amount_due"] == 0;
    let automatic = draft["collection_method"] == "charge_automatically";
    let discounted = draft["total_discount_amounts"].clone();
    billing::issue(state, cause, draft);
    billing::finalize(state, cause, &id);
    discounts::spend(state, cause, &discounted);
    if let Some((method, outcome)) = payment.filter(|_| automatic && !nothing_due) {
        billing::collect(state, cause, &id, method, outcome);
    }
}
