//! How a subscription looks, in today's shape: the billing period stands on the items.

use serde_json::{Value, json};

use super::super::{objects::joined, table::list};

/// What decides how a new subscription looks; the rest follows.
#[derive(Debug)]
pub struct Draft<'a> {
    pub id: String,
    pub item: String,
    pub customer: &'a str,
    pub price: &'a Value,
    pub quantity: i64,
    pub status: &'a str,
    pub created: i64,
    /// The billing period that now runs.
    pub period: (i64, i64),
}

pub fn build(draft: Draft<'_>) -> Value {
    let Draft {
        id,
        item,
        customer,
        price,
        quantity,
        status,
        created,
        period,
    } = draft;
    let (trial_start, trial_end) = if status == "trialing" {
        (json!(created), json!(period.1))
    } else {
        (Value::Null, Value::Null)
    };
    let item = json!({
        "id": item,
        "object": "subscription_item",
        "billing_thresholds": null,
        "created": created,
        "current_period_end": period.1,
        "current_period_start": period.0,
        "current_trial": null,
        "discounts": [],
        "metadata": {},
        "plan": plan(price),
        "price": price,
        "quantity": quantity,
        "subscription": id,
        "tax_rates": [],
    });
    let own = json!({
        "id": id,
        "object": "subscription",
        "billing_cycle_anchor": created,
        "created": created,
        "currency": price["currency"],
        "customer": customer,
        "items": list(&format!("/v1/subscription_items?subscription={id}"), vec![item], false),
        "start_date": created,
        "status": status,
        "trial_end": trial_end,
        "trial_start": trial_start,
    });
    joined([own, initial()])
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

/// The older view of a price, which items still carry.
fn plan(price: &Value) -> Value {
    json!({
        "id": price["id"],
        "object": "plan",
        "active": price["active"],
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "created": price["created"],
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"],
        "livemode": false,
        "metadata": {},
        "meter": null,
        "nickname": price["nickname"],
        "product": price["product"],
        "tiers_mode": null,
        "transform_usage": null,
        "trial_period_days": null,
        "usage_type": "licensed",
    })
}
