//! Requests made beforehand, signature and all, so that making them is not measured.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// `count` posts of distinct events about distinct customers, as bytes for the socket.
pub fn requests(count: usize, secret: &str) -> Vec<Vec<u8>> {
    (0..count)
        .map(|number| request(number, &customer(number), secret))
        .collect()
}

/// A `customer.updated` event about `object`, made at that unix second.
pub fn event(number: usize, object: &Value, now: i64) -> Value {
    let id = billhook::clock::new_id("evt");
    json!({
        "id": id, "object": "event", "api_version": "2026-10-28.endive", "created": now,
        "data": { "object": object, "previous_attributes": { "name": format!("Before {number}") } },
        "livemode": false, "pending_webhooks": 1, "type": "customer.updated",
        "request": { "id": "req_bench", "idempotency_key": id },
    })
}

/// One post of such an event, made now.
pub fn request(number: usize, object: &Value, secret: &str) -> Vec<u8> {
    let now = billhook::clock::Clock::default().now();
    let body = event(number, object, now).to_string();
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(format!("{now}.{body}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Stripe-Signature: t={now},v1={signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// As large as Stripe's.
pub fn customer(number: usize) -> Value {
    json!({
        "id": format!("cus_bench{number:08}"), "object": "customer", "address": null, "balance": 0,
        "created": 1_700_000_000, "currency": "eur", "default_source": null, "delinquent": false,
        "description": "A customer of the bench", "discount": null,
        "email": format!("customer{number}@example.com"), "invoice_prefix": "ABCDEF12",
        "invoice_settings": { "custom_fields": null, "default_payment_method": null, "footer": null,
            "rendering_options": null },
        "livemode": false, "metadata": { "plan": "team", "seats": "12" },
        "name": format!("Customer {number}"), "next_invoice_sequence": 7, "phone": null,
        "preferred_locales": [], "shipping": null, "tax_exempt": "none", "test_clock": null,
    })
}
