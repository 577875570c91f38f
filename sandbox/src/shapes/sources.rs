//! How a card of the kind looks that was before payment methods.

use serde_json::{Value, json};

use crate::{shapes::cards::TestCard, wire::ids};

pub fn build(card: &TestCard, customer: &str) -> Value {
    json!({
        "id": ids::long("card_"),
        "object": "card",
        "address_city": null,
        "address_country": null,
        "address_line1": null,
        "address_line1_check": null,
        "address_line2": null,
        "address_state": null,
        "address_zip": null,
        "address_zip_check": null,
        "brand": card.label,
        "country": "US",
        "customer": customer,
        "cvc_check": "pass",
        "dynamic_last4": null,
        "exp_month": 8,
        "exp_year": 2030,
        "fingerprint": format!("SandboxCard{}", card.last4()),
        "funding": "credit",
        "last4": card.last4(),
        "metadata": {},
        "name": null,
        "regulated_status": "unregulated",
        "tokenization_method": null,
    })
}
