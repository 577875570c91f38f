//! How a checkout session looks. What the stand-in remembers beside it is under `details` and
//! `line_items`, which the API does not show.

use serde_json::{Value, json};

use crate::wire::{ids, json::joined};

/// How long a session waits, as Stripe's usual time.
const OPEN_FOR: i64 = 86_400;

/// `asked` are the fields that the request decides.
pub fn build(base_url: &str, created: i64, mode: &str, amount: i64, asked: Value) -> Value {
    let id = ids::random("cs_test_", 58);
    let sum = if mode == "setup" {
        Value::Null
    } else {
        json!(amount)
    };
    let total = if mode == "setup" {
        Value::Null
    } else {
        json!({ "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 })
    };
    let own = json!({
        "id": id,
        "object": "checkout.session",
        "amount_subtotal": sum,
        "amount_total": sum,
        "created": created,
        "expires_at": created + OPEN_FOR,
        "mode": mode,
        "payment_method_collection": if mode == "payment" { "if_required" } else { "always" },
        "payment_status": if mode == "setup" || amount == 0 { "no_payment_required" } else { "unpaid" },
        "status": "open",
        "total_details": total,
        "url": format!("{base_url}/c/pay/{id}"),
    });
    joined([unused(), unasked(), own, asked])
}

/// What every session begins with, from A to D.
fn unused() -> Value {
    json!({
        "adaptive_pricing": { "enabled": false },
        "after_expiration": null,
        "allow_promotion_codes": null,
        "allowed_payment_method_types": null,
        "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
        "billing_address_collection": null,
        "cancel_url": null,
        "client_reference_id": null,
        "client_secret": null,
        "collected_information": null,
        "consent": null,
        "consent_collection": null,
        "currency": null,
        "currency_conversion": null,
        "custom_fields": [],
        "custom_text": {
            "after_submit": null,
            "shipping_address": null,
            "submit": null,
            "terms_of_service_acceptance": null,
        },
        "customer": null,
        "customer_account": null,
        "customer_creation": null,
        "customer_details": null,
        "customer_email": null,
        "discounts": [],
    })
}

/// And the rest of it.
fn unasked() -> Value {
    json!({
        "integration_identifier": null,
        "invoice": null,
        "invoice_creation": null,
        "livemode": false,
        "locale": null,
        "managed_payments": null,
        "metadata": {},
        "origin_context": null,
        "payment_intent": null,
        "payment_link": null,
        "payment_method_configuration_details": null,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "permissions": null,
        "phone_number_collection": { "enabled": false },
        "recovered_from": null,
        "saved_payment_method_options": null,
        "setup_intent": null,
        "shipping_address_collection": null,
        "shipping_cost": null,
        "shipping_options": [],
        "submit_type": null,
        "subscription": null,
        "success_url": null,
        "ui_mode": "hosted_page",
        "wallet_options": null,
    })
}

pub fn line_item(price: &Value, quantity: i64, amount: i64, name: &Value) -> Value {
    json!({
        "id": ids::long("li_"),
        "object": "item",
        "adjustable_quantity": null,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": name,
        "metadata": {},
        "price": price,
        "quantity": quantity,
    })
}

pub fn shown(mut session: Value) -> Value {
    if let Some(fields) = session.as_object_mut() {
        fields.remove("details");
        fields.remove("line_items");
    }
    session
}
