//! How an invoice looks: a draft first, which then goes through its states.

use serde_json::{Value, json};

use super::super::{ids, listing::list, objects::joined};

/// What decides how a new invoice looks; the rest follows.
#[derive(Debug)]
pub struct Draft<'a> {
    pub id: &'a str,
    pub customer: &'a Value,
    pub currency: &'a Value,
    pub created: i64,
    /// The time before the invoice, in which what it bills came together.
    pub period: (i64, i64),
    pub reason: &'a str,
    /// The subscription that it is for.
    pub subscription: Option<&'a Value>,
    pub lines: Vec<Value>,
}

pub fn build(draft: Draft<'_>) -> Value {
    let Draft {
        id,
        customer,
        currency,
        created,
        period,
        reason,
        subscription,
        lines,
    } = draft;
    let parent = subscription.map(|subscription| {
        json!({
            "quote_details": null,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        })
    });
    let collection = subscription.map_or(json!("charge_automatically"), |subscription| {
        subscription["collection_method"].clone()
    });
    let method = subscription.map_or(Value::Null, |subscription| {
        subscription["default_payment_method"].clone()
    });
    let own = json!({
        "id": id,
        "object": "invoice",
        "attempt_count": 0,
        "attempted": false,
        "auto_advance": subscription.is_some(),
        "billing_reason": reason,
        "collection_method": collection,
        "created": created,
        "currency": currency,
        "default_payment_method": method,
        "effective_at": null,
        "lines": list(&format!("/v1/invoices/{id}/lines"), Vec::new(), false),
        "livemode": false,
        "number": null,
        "parent": parent,
        "period_end": period.1,
        "period_start": period.0,
        "status": "draft",
        "status_transitions": {
            "finalized_at": null,
            "marked_uncollectible_at": null,
            "paid_at": null,
            "voided_at": null,
        },
        "webhooks_delivered_at": null,
    });
    let mut invoice = joined([own, billed_to(customer), unused(), sums(0)]);
    add_lines(&mut invoice, lines);
    invoice
}

/// Takes lines in and counts them up.
pub fn add_lines(invoice: &mut Value, lines: Vec<Value>) {
    let id = invoice["id"].clone();
    if let Some(data) = invoice["lines"]["data"].as_array_mut() {
        for mut line in lines {
            line["id"] = json!(ids::long("il_"));
            line["invoice"] = id.clone();
            data.push(line);
        }
    }
    let amount = invoice["lines"]["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["amount"].as_i64())
        .fold(0, i64::saturating_add);
    if let (Value::Object(sums), Some(fields)) = (sums(amount), invoice.as_object_mut()) {
        fields.extend(sums);
    }
}

/// What every invoice of the stand-in has alike, because nothing here sets it.
fn unused() -> Value {
    json!({
        "account_country": "DE",
        "account_name": null,
        "account_tax_ids": null,
        "application": null,
        "automatic_tax": {
            "disabled_reason": null,
            "enabled": false,
            "liability": null,
            "provider": null,
            "status": null,
        },
        "automatically_finalizes_at": null,
        "custom_fields": null,
        "default_source": null,
        "default_tax_rates": [],
        "description": null,
        "discounts": [],
        "due_date": null,
        "footer": null,
        "from_invoice": null,
        "hosted_invoice_url": null,
        "invoice_pdf": null,
        "issuer": { "type": "self" },
        "last_finalization_error": null,
        "latest_revision": null,
        "metadata": {},
        "next_payment_attempt": null,
        "on_behalf_of": null,
        "payment_settings": {
            "default_mandate": null,
            "payment_method_options": null,
            "payment_method_types": null,
        },
        "receipt_number": null,
        "rendering": null,
        "shipping_details": null,
        "statement_descriptor": null,
        "test_clock": null,
    })
}

/// The customer as it was when the invoice was made.
fn billed_to(customer: &Value) -> Value {
    json!({
        "customer": customer["id"],
        "customer_account": null,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
    })
}

/// The sums of what nobody has paid yet: no tax, no discount, no shipping.
fn sums(amount: i64) -> Value {
    json!({
        "amount_due": amount,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": amount,
        "amount_shipping": 0,
        "ending_balance": null,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "shipping_cost": null,
        "starting_balance": 0,
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_discount_amounts": [],
        "total_excluding_tax": amount,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    })
}
