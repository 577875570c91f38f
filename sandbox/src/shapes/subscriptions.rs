//! How a subscription looks, in today's shape: the billing period stands on the items.

use serde_json::{Value, json};

use crate::{
    shapes::{plans::plan, prices::shown},
    wire::{
        clock::{self, DAY},
        json::joined,
        listing::list,
    },
};

/// What decides how a new subscription looks; the rest follows.
#[derive(Debug)]
pub struct Draft<'a> {
    pub id: String,
    pub customer: &'a str,
    pub items: Vec<Item>,
    pub status: &'a str,
    pub created: i64,
    /// When the trial ends.
    pub trial_end: Option<i64>,
}

#[derive(Debug)]
pub struct Item {
    pub id: String,
    pub price: Value,
    pub quantity: i64,
    pub metadata: Value,
    /// The billing period that now runs.
    pub period: (i64, i64),
}

pub fn build(draft: Draft<'_>) -> Value {
    let Draft {
        id,
        customer,
        items,
        status,
        created,
        trial_end,
    } = draft;
    let currency = items
        .first()
        .map_or(Value::Null, |item| item.price["currency"].clone());
    let items: Vec<Value> = items
        .into_iter()
        .map(|item| build_item(&id, item, created))
        .collect();
    let own = json!({
        "id": id,
        "object": "subscription",
        "billing_cycle_anchor": created,
        "created": created,
        "currency": currency,
        "customer": customer,
        "items": list(&format!("/v1/subscription_items?subscription={id}"), items, false),
        "start_date": created,
        "status": status,
        "trial_end": trial_end,
        "trial_start": trial_end.map(|_| created),
    });
    joined([own, initial()])
}

pub fn build_item(subscription: &str, item: Item, created: i64) -> Value {
    let price = shown(item.price);
    json!({
        "id": item.id,
        "object": "subscription_item",
        "billing_thresholds": null,
        "created": created,
        "current_period_end": item.period.1,
        "current_period_start": item.period.0,
        "current_trial": null,
        "discounts": [],
        "metadata": item.metadata,
        "plan": plan(&price),
        "price": price,
        "quantity": item.quantity,
        "subscription": subscription,
        "tax_rates": [],
    })
}

/// What every subscription begins with; some of it changes later.
fn initial() -> Value {
    json!({
        "application": null,
        "application_fee_percent": null,
        "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
        "billing_cycle_anchor_config": null,
        "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible" },
        "billing_schedules": [],
        "billing_thresholds": null,
        "cancel_at": null,
        "cancel_at_period_end": false,
        "canceled_at": null,
        "cancellation_details": {
            "comment": null,
            "feedback": null,
            "feedback_option": null,
            "reason": null,
        },
        "collection_method": "charge_automatically",
        "customer_account": null,
        "days_until_due": null,
        "default_payment_method": null,
        "default_source": null,
        "default_tax_rates": [],
        "description": null,
        "discounts": [],
        "ended_at": null,
        "invoice_settings": {
            "account_tax_ids": null,
            "custom_fields": null,
            "description": null,
            "footer": null,
            "issuer": { "type": "self" },
        },
        "latest_invoice": null,
        "livemode": false,
        "managed_payments": { "enabled": false },
        "metadata": {},
        "next_pending_invoice_item_invoice": null,
        "on_behalf_of": null,
        "pause_collection": null,
        "payment_settings": {
            "payment_method_options": null,
            "payment_method_types": null,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": null,
        "pending_setup_intent": null,
        "pending_update": null,
        "schedule": null,
        "test_clock": null,
        "transfer_data": null,
        "trial_settings": {
            "end_behavior": {
                "billing_cycle_anchor": null,
                "missing_payment_method": "create_invoice",
            },
        },
    })
}

/// The end of a period that begins at `start`.
pub fn period_end(price: &Value, start: i64) -> i64 {
    let count = price["recurring"]["interval_count"].as_i64().unwrap_or(1);
    match price["recurring"]["interval"].as_str() {
        Some("day") => start + count * DAY,
        Some("week") => start + count * 7 * DAY,
        Some("year") => clock::add_months(start, count * 12),
        _ => clock::add_months(start, count),
    }
}

/// Stripe's portal sets a date to end at and leaves `cancel_at_period_end` alone; the API parameter
/// sets both.
pub fn schedule_end(subscription: &mut Value, at: i64, at_period_end: bool) {
    subscription["cancel_at"] = subscription["items"]["data"][0]["current_period_end"].clone();
    subscription["cancel_at_period_end"] = json!(at_period_end);
    subscription["canceled_at"] = json!(at);
    subscription["cancellation_details"]["reason"] = json!("cancellation_requested");
}

pub fn unschedule_end(subscription: &mut Value) {
    subscription["cancel_at"] = Value::Null;
    subscription["cancel_at_period_end"] = json!(false);
    subscription["canceled_at"] = Value::Null;
    for field in ["comment", "feedback", "reason"] {
        subscription["cancellation_details"][field] = Value::Null;
    }
}

/// A price with another rhythm begins a period of its own.
pub fn set_price(item: &mut Value, price: &Value, now: i64) {
    let period = (
        item["current_period_start"].as_i64().unwrap_or(now),
        item["current_period_end"].as_i64().unwrap_or(now),
    );
    let same = ["interval", "interval_count"]
        .iter()
        .all(|field| item["price"]["recurring"][field] == price["recurring"][field]);
    let changed = build_item(
        item["subscription"].as_str().unwrap_or_default(),
        Item {
            id: item["id"].as_str().unwrap_or_default().to_owned(),
            price: price.clone(),
            quantity: item["quantity"].as_i64().unwrap_or(1),
            metadata: item["metadata"].clone(),
            period: if same {
                period
            } else {
                (now, period_end(price, now))
            },
        },
        item["created"].as_i64().unwrap_or(now),
    );
    *item = changed;
}

/// All of them, also those that the API cuts off.
pub fn all_of(subscription: &Value) -> &[Value] {
    subscription["items"]["data"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}
