//! How a coupon looks, with and without the products that it applies to.

use serde_json::{Value, json};

/// A coupon of which nothing is decided yet.
pub fn build(id: &str, created: i64) -> Value {
    json!({
        "id": id,
        "object": "coupon",
        "amount_off": null,
        "created": created,
        "currency": null,
        "duration": "once",
        "duration_in_months": null,
        "livemode": false,
        "max_redemptions": null,
        "metadata": {},
        "name": null,
        "percent_off": null,
        "redeem_by": null,
        "times_redeemed": 0,
        "valid": true,
    })
}

/// The coupon as others show it: Stripe leaves out what it applies to unless asked to expand it.
pub fn shown(mut coupon: Value) -> Value {
    if let Some(fields) = coupon.as_object_mut() {
        fields.remove("applies_to");
    }
    coupon
}

pub fn answered(coupon: Value, products: bool) -> Value {
    if products { coupon } else { shown(coupon) }
}
