//! Entitlements: which features a customer may use. They are not stored: they follow from the
//! customer's subscriptions and the features of the products in them.

use serde_json::{Value, json};

use crate::{objects::events::Cause, state::State, wire::listing::list};

const ENTITLING: [&str; 3] = ["active", "past_due", "trialing"];

/// One for each feature, in the order in which features were made.
pub fn of_customer(state: &State, customer: &str) -> Vec<Value> {
    if state.product_features.len() == 0 {
        return Vec::new();
    }
    let running = state.subscriptions.iter().filter(|subscription| {
        let status = subscription["status"].as_str().unwrap_or_default();
        subscription["customer"] == *customer && ENTITLING.contains(&status)
    });
    let products: Vec<&Value> = running
        .filter_map(|subscription| subscription["items"]["data"].as_array())
        .flatten()
        .map(|item| &item["price"]["product"])
        .collect();
    let entitled = |feature: &&Value| {
        state.product_features.iter().any(|row| {
            row["entitlement_feature"]["id"] == feature["id"] && products.contains(&&row["product"])
        })
    };
    let mut features: Vec<&Value> = state.features.iter().filter(entitled).collect();
    features.reverse();
    features
        .into_iter()
        .map(|feature| {
            let ends = [customer, feature["id"].as_str().unwrap_or_default()]
                .map(|id| id.get(id.len().saturating_sub(12)..).unwrap_or(id));
            json!({
                "id": format!("ent_{}", ends.concat()),
                "object": "entitlements.active_entitlement",
                "feature": feature["id"],
                "livemode": false,
                "lookup_key": feature["lookup_key"],
            })
        })
        .collect()
}

/// Tells what the customer may use now, if that is not what it was.
pub fn tell(state: &mut State, cause: &Cause, customer: &str, before: Vec<Value>) {
    let after = of_customer(state, customer);
    if before != after {
        state.emit_update(
            cause,
            "entitlements.active_entitlement_summary.updated",
            &summary(customer, before),
            &summary(customer, after),
        );
    }
}

/// Has no id.
fn summary(customer: &str, entitlements: Vec<Value>) -> Value {
    let url = format!("/v1/customer/{customer}/entitlements");
    json!({
        "object": "entitlements.active_entitlement_summary",
        "customer": customer,
        "entitlements": list(&url, entitlements, false),
        "livemode": false,
    })
}
