//! How a setup intent looks, and how trying a payment method changes it.

use serde_json::{Value, json};

use crate::{shapes::cards::Charge, wire::ids};

pub fn build(customer: &Value, created: i64) -> Value {
    let id = ids::long("seti_");
    json!({
        "id": id,
        "object": "setup_intent",
        "allowed_payment_method_types": null,
        "application": null,
        "automatic_payment_methods": null,
        "cancellation_reason": null,
        "client_secret": ids::random(&format!("{id}_secret_"), 25),
        "created": created,
        "customer": customer,
        "customer_account": null,
        "description": null,
        "excluded_payment_method_types": null,
        "flow_directions": null,
        "last_setup_error": null,
        "latest_attempt": null,
        "livemode": false,
        "managed_payments": null,
        "mandate": null,
        "metadata": {},
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": null,
        "payment_method_configuration_details": null,
        "payment_method_options": null,
        "payment_method_types": ["card"],
        "single_use_mandate": null,
        "status": "requires_payment_method",
        "usage": "off_session",
    })
}

pub fn succeeded(customer: &Value, method: &Value, created: i64) -> Value {
    let mut intent = build(customer, created);
    attempt(&mut intent, method, Charge::Succeeds);
    intent
}

/// Tries the payment method, which sets the status. Gives the event that tells of it.
pub fn attempt(intent: &mut Value, method: &Value, outcome: Charge) -> &'static str {
    intent["payment_method"] = method["id"].clone();
    let (status, told) = match outcome {
        Charge::Declined => ("requires_payment_method", "setup_intent.setup_failed"),
        Charge::NeedsOwner => ("requires_action", "setup_intent.requires_action"),
        _ => ("succeeded", "setup_intent.succeeded"),
    };
    intent["status"] = json!(status);
    if outcome == Charge::NeedsOwner {
        intent["next_action"] = json!({ "type": "use_stripe_sdk", "use_stripe_sdk": {} });
    }
    if outcome == Charge::Declined {
        intent["payment_method"] = Value::Null;
        intent["last_setup_error"] = json!({
            "code": "card_declined",
            "decline_code": "generic_decline",
            "doc_url": "https://stripe.com/docs/error-codes/card-declined",
            "message": "Your card was declined.",
            "payment_method": method,
            "type": "card_error",
        });
    }
    told
}
