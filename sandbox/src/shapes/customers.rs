//! How a customer looks.

use serde_json::{Value, json};

/// A customer of which nothing is known yet.
pub fn blank(id: &str, created: i64) -> Value {
    json!({
        "id": id,
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": created,
        "currency": null,
        "customer_account": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "discount": null,
        "email": null,
        "invoice_prefix": invoice_prefix(id),
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": {},
        "name": null,
        "next_invoice_sequence": 1,
        "phone": null,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}

/// The end of the id, so that two customers rarely share it.
fn invoice_prefix(id: &str) -> String {
    id.get(id.len().saturating_sub(8)..)
        .unwrap_or(id)
        .to_uppercase()
}

pub fn is_deleted(customer: &Value) -> bool {
    customer["deleted"] == true
}

/// Of a deleted customer the API shows no more than that.
pub fn shown(customer: Value) -> Value {
    if is_deleted(&customer) {
        json!({ "id": customer["id"], "object": "customer", "deleted": true })
    } else {
        customer
    }
}
