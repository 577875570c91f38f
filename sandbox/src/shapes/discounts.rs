//! How a discount looks, with and without its coupon.

use serde_json::{Value, json};

use crate::wire::clock;

/// More months than any coupon needs, and few enough to be counted.
const MOST_MONTHS: i64 = 1_200;

/// With its whole coupon. Whose it is, is for the caller to say.
pub fn build(id: &str, coupon: &Value, start: i64) -> Value {
    let months = coupon["duration_in_months"]
        .as_i64()
        .filter(|_| coupon["duration"] == "repeating");
    json!({
        "id": id,
        "object": "discount",
        "checkout_session": null,
        "customer": null,
        "customer_account": null,
        "end": months.map(|months| clock::add_months(start, months.clamp(0, MOST_MONTHS))),
        "invoice": null,
        "invoice_item": null,
        "promotion_code": null,
        "source": { "coupon": coupon, "type": "coupon" },
        "start": start,
        "subscription": null,
        "subscription_item": null,
    })
}

/// The discount as others show it: with the id of its coupon.
pub fn shown(mut discount: Value) -> Value {
    let coupon = discount["source"]["coupon"]["id"].clone();
    discount["source"]["coupon"] = coupon;
    discount
}
