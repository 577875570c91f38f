//! Masks event payloads for a terminal: personal data and credentials are hidden. An allowlist decides: a text is
//! shown only if it can only be an id or one of Stripe's own words. So new fields of Stripe are masked until they
//! are known.

use serde_json::Value;

const HIDDEN: &str = "…";

/// Everything below these fields is masked, numbers too.
const WHOLE: &[&str] = &[
    "address",
    "billing_details",
    "custom_fields",
    "customer_details",
    "dob",
    "individual",
    "metadata",
    "owner",
    "shipping",
    "tax_ids",
];

/// Fields with these endings are masked, whatever their value.
const ENDINGS: &[&str] = &[
    "email",
    "name",
    "phone",
    "description",
    "address",
    "url",
    "pdf",
    "last4",
    "secret",
    "fingerprint",
    "reference_id",
    "_ip",
];

/// The masked payload.
pub fn masked(payload: &Value) -> Value {
    match payload {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| {
                let value = match key.as_str() {
                    // The whole field is personal data.
                    key if WHOLE.contains(&key) => hidden(value),
                    key if ENDINGS.iter().any(|end| key.ends_with(end)) => hidden(value),
                    // A date and a code name.
                    "api_version" => value.clone(),
                    _ => masked(value),
                };
                (key.clone(), value)
            });
            Value::Object(fields.collect())
        }
        Value::Array(list) => list.iter().map(masked).collect(),
        Value::String(text) if !is_harmless(text) => HIDDEN.into(),
        other => other.clone(),
    }
}

/// Only the structure: which fields exist, and which of them are null.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| (key.clone(), hidden(value)));
            Value::Object(fields.collect())
        }
        Value::Array(list) => list.iter().map(hidden).collect(),
        Value::Null => Value::Null,
        _ => HIDDEN.into(),
    }
}

/// Whether a text is harmless: ids such as `cus_9s6XKzkNRiz8i3`, words such as `past_due` and `customer.updated`,
/// and decimal amounts of money.
fn is_harmless(text: &str) -> bool {
    let is_word = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte)
            })
    };
    (is_word(text) || is_id(text) || text.is_empty()) && !text.contains("secret")
}

/// Whether a text has the form of an id that Stripe generates: a prefix, then ASCII letters and digits. Sellers can
/// choose some ids freely, and a client secret is an id with a suffix, so all other forms are masked.
fn is_id(text: &str) -> bool {
    let Some((prefix, rest)) = text.rsplit_once('_') else {
        return false;
    };
    let is_prefix = (1..=16).contains(&prefix.len())
        && prefix
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_prefix && rest.len() <= 64 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn checklist_67_whose_it_is_and_what_opens_something_is_masked() {
        let payload = read(
            r#"{
            "id": "evt_1Nn7", "type": "customer.updated", "api_version": "2026-10-28.endive",
            "created": 1700000000, "livemode": false,
            "request": { "id": "req_1", "idempotency_key": "0b9d-Ada" },
            "data": {
                "object": {
                    "id": "cus_9s6XKzkNRiz8i3", "object": "customer", "balance": -100,
                    "email": "ada@example.com", "name": "ada", "phone": null,
                    "description": "of_the_engines", "customer_email": "ada", "cardholder_name": "ada",
                    "address": { "line1": "ada", "country": "gb", "line2": null },
                    "shipping": { "name": "ada", "dates": [1815, "ada"] },
                    "metadata": { "ada_key": "ada", "plan": "pro" },
                    "billing_details": { "email": "ada" }, "dob": { "year": 1815 },
                    "receipt_email": "ada", "statement_descriptor": "Ada's Engines",
                    "hosted_invoice_url": "https://invoice.stripe.com/i/ada",
                    "invoice_pdf": "https://pay.stripe.com/ada", "url": "ada",
                    "client_secret": "pi_1_secret_ada", "nested": [{ "deep": { "email": "ada" } }],
                    "not_yet_known": "pi_3Oq_secret_Xy7", "tomorrow": "Ada Lovelace", "number": "ADA-1",
                    "card": { "brand": "visa", "last4": "4242", "dynamic_last4": "ada", "fingerprint": "ada" },
                    "customer_ip": "192.0.2.7", "purchase_ip": "ada", "empty": "",
                    "price": { "id": "price_1", "unit_amount": 900, "recurring": { "interval": "month" } },
                    "status": "past_due", "currency": "eur"
                },
                "previous_attributes": { "email": "ada@example.com", "metadata": { "a": "ada" } }
            } }"#,
        );
        let shown = masked(&payload);
        let object = &shown["data"]["object"];
        let expected = read(
            r#"{
            "id": "cus_9s6XKzkNRiz8i3", "object": "customer", "balance": -100,
            "email": "…", "name": "…", "phone": null,
            "description": "…", "customer_email": "…", "cardholder_name": "…",
            "address": { "line1": "…", "country": "…", "line2": null },
            "shipping": { "name": "…", "dates": ["…", "…"] },
            "metadata": { "ada_key": "…", "plan": "…" },
            "billing_details": { "email": "…" }, "dob": { "year": "…" },
            "receipt_email": "…", "statement_descriptor": "…",
            "hosted_invoice_url": "…", "invoice_pdf": "…", "url": "…",
            "client_secret": "…", "nested": [{ "deep": { "email": "…" } }],
            "not_yet_known": "…", "tomorrow": "…", "number": "…",
            "card": { "brand": "visa", "last4": "…", "dynamic_last4": "…", "fingerprint": "…" },
            "customer_ip": "…", "purchase_ip": "…", "empty": "",
            "price": { "id": "price_1", "unit_amount": 900, "recurring": { "interval": "month" } },
            "status": "past_due", "currency": "eur"
            }"#,
        );
        assert_eq!(*object, expected);
        assert_eq!(
            shown["data"]["previous_attributes"],
            json!({ "email": "…", "metadata": { "a": "…" } })
        );
        assert_eq!(
            shown["request"],
            json!({ "id": "req_1", "idempotency_key": "…" })
        );
        for key in ["id", "type", "api_version", "created", "livemode"] {
            assert_eq!(shown[key], payload[key], "{key}");
        }
    }

    #[test]
    fn checklist_67_nothing_that_people_write_looks_like_a_word_of_stripes() {
        for text in [
            "ada@example.com",
            "+44 20 7946",
            "Ada",
            "a-b",
            "4242",
            "a\nb",
            "cus_Ünder",
        ] {
            assert_eq!(masked(&json!([text])), json!([HIDDEN]), "{text}");
        }
        let secret = "seti_1NG8Du_secret_O6Xy";
        assert_eq!(masked(&json!({ "key": secret })), json!({ "key": HIDDEN }));
    }
}
