//! Invoices: one for a subscription's period, paid or open. Listed, retrieved, and paid on the
//! portal page.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use super::{
    error::{Answer, ApiError},
    events::Cause,
    objects::joined,
    params::Params,
    state::{Shared, State},
    table::{Created, Page, list},
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    Paid,
    /// Finalised, the payment failed.
    Open,
}

/// Stores the invoice for the period that runs and counts up the customer's invoice number. The
/// caller stores customer and subscription.
pub fn for_subscription(
    state: &mut State,
    customer: &mut Value,
    subscription: &Value,
    id: &str,
    standing: Standing,
) -> Value {
    let sequence = customer["next_invoice_sequence"].as_i64().unwrap_or(1);
    let number = format!(
        "{}-{sequence:04}",
        customer["invoice_prefix"].as_str().unwrap_or_default()
    );
    customer["next_invoice_sequence"] = json!(sequence.saturating_add(1));
    let invoice = build(id, &number, customer, subscription, standing);
    state.invoices.put(invoice.clone());
    invoice
}

fn build(
    id: &str,
    number: &str,
    customer: &Value,
    subscription: &Value,
    standing: Standing,
) -> Value {
    let item = &subscription["items"]["data"][0];
    let (start, end) = (&item["current_period_start"], &item["current_period_end"]);
    let trial = subscription["status"] == "trialing";
    let unit = if trial {
        0
    } else {
        item["price"]["unit_amount"].as_i64().unwrap_or_default()
    };
    let amount = unit.saturating_mul(item["quantity"].as_i64().unwrap_or(1));
    let paid = standing == Standing::Paid;
    let reason = if subscription["created"] == *start {
        "subscription_create"
    } else {
        "subscription_cycle"
    };
    let (status, paid_at) = if paid {
        ("paid", start)
    } else {
        ("open", &Value::Null)
    };
    let lines = list(
        &format!("/v1/invoices/{id}/lines"),
        vec![line(id, subscription, amount)],
        false,
    );
    let own = json!({
        "id": id,
        "object": "invoice",
        "attempt_count": 1,
        "attempted": true,
        "auto_advance": false,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": start,
        "currency": subscription["currency"],
        "effective_at": start,
        "lines": lines,
        "livemode": false,
        "number": number,
        "parent": {
            "quote_details": null,
            "subscription_details": { "metadata": {}, "subscription": subscription["id"] },
            "type": "subscription_details",
        },
        "period_end": end,
        "period_start": start,
        "status": status,
        "status_transitions": {
            "finalized_at": start,
            "marked_uncollectible_at": null,
            "paid_at": paid_at,
            "voided_at": null,
        },
        "webhooks_delivered_at": start,
    });
    joined([own, billed_to(customer), amounts(amount, paid), unused()])
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
        "default_payment_method": null,
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

/// The sums: no tax, no discount, no shipping.
fn amounts(amount: i64, paid: bool) -> Value {
    let (amount_paid, amount_remaining) = if paid { (amount, 0) } else { (0, amount) };
    json!({
        "amount_due": amount,
        "amount_overpaid": 0,
        "amount_paid": amount_paid,
        "amount_remaining": amount_remaining,
        "amount_shipping": 0,
        "ending_balance": 0,
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

fn line(invoice: &str, subscription: &Value, amount: i64) -> Value {
    let item = &subscription["items"]["data"][0];
    json!({
        "id": format!("il_{}", invoice.strip_prefix("in_").unwrap_or(invoice)),
        "object": "line_item",
        "amount": amount,
        "currency": subscription["currency"],
        "description": null,
        "discount_amounts": [],
        "discountable": true,
        "discounts": [],
        "invoice": invoice,
        "livemode": false,
        "metadata": {},
        "parent": {
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null,
                "proration": false,
                "proration_details": { "credited_items": null },
                "subscription": subscription["id"],
                "subscription_item": item["id"],
            },
            "type": "subscription_item_details",
        },
        "period": { "end": item["current_period_end"], "start": item["current_period_start"] },
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": { "price": item["price"]["id"], "product": item["price"]["product"] },
            "type": "price_details",
            "unit_amount_decimal": item["price"]["unit_amount_decimal"],
        },
        "quantity": item["quantity"],
        "quantity_decimal": item["quantity"].as_i64().unwrap_or(1).to_string(),
        "subscription": subscription["id"],
        "subtotal": amount,
        "taxes": [],
    })
}

/// Pays an open invoice; a subscription that was behind is active again, a customer without open
/// invoices no longer delinquent.
pub fn pay(state: &mut State, cause: &Cause, mut invoice: Value) {
    invoice["amount_paid"] = invoice["amount_due"].clone();
    invoice["amount_remaining"] = json!(0);
    invoice["attempt_count"] = json!(invoice["attempt_count"].as_i64().unwrap_or_default() + 1);
    invoice["status"] = json!("paid");
    invoice["status_transitions"]["paid_at"] = json!(cause.at);
    state.emit(cause, "invoice.paid", &invoice);
    let customer = invoice["customer"].as_str().unwrap_or_default().to_owned();
    let subscription = &invoice["parent"]["subscription_details"]["subscription"];
    let subscription = state
        .subscriptions
        .get(subscription.as_str().unwrap_or_default())
        .cloned();
    state.invoices.put(invoice);
    if let Some(mut subscription) =
        subscription.filter(|subscription| subscription["status"] == "past_due")
    {
        subscription["status"] = json!("active");
        state.update_subscription(cause, subscription);
    }
    let behind = state
        .invoices
        .iter()
        .any(|invoice| invoice["customer"] == *customer && invoice["status"] == "open");
    if let Some(mut customer) = state.customer(&customer).cloned().filter(|_| !behind) {
        customer["delinquent"] = json!(false);
        state.update_customer(cause, customer);
    }
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let invoice = app.read().invoices.get(&id).cloned();
    invoice
        .map(Json)
        .ok_or_else(|| ApiError::no_such("invoice", &id))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::from(&mut params)?;
    let created = Created::from(&mut params)?;
    let customer = params.text("customer")?;
    let status = params.text("status")?;
    let subscription = params.text("subscription")?;
    params.finish()?;
    let (data, more) = app.read().invoices.page(&page, "invoice", |invoice| {
        let of_subscription = &invoice["parent"]["subscription_details"]["subscription"];
        created.holds(invoice)
            && customer
                .as_ref()
                .is_none_or(|customer| invoice["customer"] == **customer)
            && status
                .as_ref()
                .is_none_or(|status| invoice["status"] == **status)
            && subscription
                .as_ref()
                .is_none_or(|subscription| *of_subscription == **subscription)
    })?;
    Ok(Json(list("/v1/invoices", data, more)))
}
