//! How a subscription looks, in today's shape: the billing period stands on the items.

use serde_json::{Value, json};

use super::super::{
    listing::list,
    objects::joined,
    prices::{plans::plan, shown},
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
