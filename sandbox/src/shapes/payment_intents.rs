//! How a payment intent looks, and how trying a payment method changes it.

use serde_json::{Value, json};

use crate::{
    shapes::cards::Charge,
    wire::{ids, json::joined},
};

/// Nothing was tried yet.
pub fn build(id: &str, amount: i64, currency: &Value, customer: &Value, created: i64) -> Value {
    let own = json!({
        "id": id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "capture_method": "automatic",
        "client_secret": ids::random(&format!("{id}_secret_"), 25),
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "customer": customer,
        "livemode": false,
        "metadata": {},
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
    });
    joined([own, unused()])
}

fn unused() -> Value {
    json!({
        "allowed_payment_method_types": null,
        "application": null,
        "application_fee_amount": null,
        "automatic_payment_methods": null,
        "canceled_at": null,
        "cancellation_reason": null,
        "customer_account": null,
        "description": null,
        "excluded_payment_method_types": null,
        "last_payment_error": null,
        // The stand-in keeps no charges.
        "latest_charge": null,
        "managed_payments": null,
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": null,
        "payment_method_configuration_details": null,
        "payment_method_options": null,
        "payment_record": null,
        "processing": null,
        "receipt_email": null,
        "review": null,
        "setup_future_usage": null,
        "shipping": null,
        "source": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "transfer_group": null,
    })
}

/// Tries the payment method, which sets the status. Gives the event that tells of it.
pub fn attempt(intent: &mut Value, method: &Value, outcome: Charge) -> &'static str {
    intent["payment_method"] = method["id"].clone();
    intent["last_payment_error"] = Value::Null;
    intent["next_action"] = Value::Null;
    match outcome {
        Charge::Succeeds if intent["capture_method"] == "manual" => {
            intent["status"] = json!("requires_capture");
            intent["amount_capturable"] = intent["amount"].clone();
            "payment_intent.amount_capturable_updated"
        }
        Charge::Succeeds => {
            intent["status"] = json!("succeeded");
            intent["amount_received"] = intent["amount"].clone();
            "payment_intent.succeeded"
        }
        Charge::Declined | Charge::DeclinedLater => {
            intent["status"] = json!("requires_payment_method");
            intent["payment_method"] = Value::Null;
            intent["last_payment_error"] = json!({
                "code": "card_declined",
                "decline_code": "generic_decline",
                "doc_url": "https://stripe.com/docs/error-codes/card-declined",
                "message": "Your card was declined.",
                "payment_method": method,
                "type": "card_error",
            });
            "payment_intent.payment_failed"
        }
        Charge::NeedsOwner => {
            intent["status"] = json!("requires_action");
            intent["next_action"] = json!({ "type": "use_stripe_sdk", "use_stripe_sdk": {} });
            "payment_intent.requires_action"
        }
        Charge::Pends => {
            intent["status"] = json!("processing");
            "payment_intent.processing"
        }
    }
}
