//! How a subscription begins, by a request or by a completed checkout.

use serde_json::{Value, json};

use crate::{
    objects::{discounts, events::Cause, invoices, payment_methods},
    shapes::{
        cards::{self, Charge},
        subscriptions::{Draft, Item, build},
    },
    state::State,
    wire::{clock::DAY, error::ApiError, ids},
};

/// Stripe tells three days ahead that a trial ends; of shorter trials it tells at once.
const NOTICE: i64 = 3 * DAY;

/// What a subscription begins with.
#[derive(Debug)]
pub struct Start {
    pub customer: String,
    pub items: Vec<Item>,
    pub trial_end: Option<i64>,
    /// Whether it may wait for its first payment.
    pub may_wait: bool,
    /// What coupons became for it, each with its coupon.
    pub discounts: Vec<Value>,
    /// Fields of the subscription that are as the request wants them.
    pub fields: Value,
}

/// Stores, bills and tells.
pub fn start(state: &mut State, cause: &Cause, start: Start) -> Result<Value, ApiError> {
    let customer = state.named_customer(&start.customer)?;
    let method = state.payment_method_for(&start.fields, &start.customer);
    let outcome = method.as_ref().map(cards::charge);
    let sent = start.fields["collection_method"] == "send_invoice";
    let status = if start.trial_end.is_some() {
        "trialing"
    } else if sent || outcome == Some(Charge::Succeeds) {
        "active"
    } else {
        "incomplete"
    };
    let mut subscription = build(Draft {
        id: ids::long("sub_"),
        customer: &start.customer,
        items: start.items,
        status,
        created: cause.at,
        trial_end: start.trial_end,
    });
    if let (Value::Object(fields), Some(own)) = (start.fields, subscription.as_object_mut()) {
        own.extend(fields);
    }
    let invoice = ids::long("in_");
    let counting = discounts::counting(state, &customer, start.discounts.clone(), cause.at);
    let draft = invoices::for_subscription(
        state,
        &customer,
        &subscription,
        &counting,
        &invoice,
        cause.at,
        None,
    );
    if method.is_none() && !sent && !start.may_wait && draft["amount_due"] != 0 {
        return Err(payment_methods::missing_method());
    }
    subscription["latest_invoice"] = json!(invoice);
    discounts::replace(state, cause, &mut subscription, start.discounts);
    state.put_subscription(cause, "customer.subscription.created", subscription.clone());
    if start.trial_end.is_some_and(|end| end - cause.at < NOTICE) {
        state.emit(cause, "customer.subscription.trial_will_end", &subscription);
    }
    let payment = method.as_ref().zip(outcome).filter(|_| !start.may_wait);
    invoices::bill(state, cause, draft, payment);
    let id = subscription["id"].as_str().unwrap_or_default();
    Ok(state.subscriptions.get(id).cloned().unwrap_or(subscription))
}
