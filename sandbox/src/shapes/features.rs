//! How a feature looks, and the tie between a feature and a product.

use serde_json::{Value, json};

pub fn build(id: &str, lookup_key: &str, name: &str) -> Value {
    json!({
        "id": id,
        "object": "entitlements.feature",
        "active": true,
        "livemode": false,
        "lookup_key": lookup_key,
        "metadata": {},
        "name": name,
    })
}

/// `product` is left out when it is shown.
pub fn of_product(id: &str, product: &str, feature: &Value) -> Value {
    json!({
        "id": id,
        "object": "product_feature",
        "entitlement_feature": feature,
        "livemode": false,
        "product": product,
    })
}

pub fn shown(mut row: Value) -> Value {
    if let Some(fields) = row.as_object_mut() {
        fields.remove("product");
    }
    row
}
