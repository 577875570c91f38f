//! <https://docs.stripe.com/api/entitlements/active-entitlement>. Events carry a summary of all active entitlements of a
//! customer. The summary has no id, so the customer's id is used.

use serde_json::Value;

use super::{Noun, Owner, Shown, Source, is_a};
use crate::{
    store::mirror::EntitlementSummary,
    stripe::json::{elements, id, text},
};

impl Noun for EntitlementSummary {
    const EVENTS: &[&str] = &["entitlements.active_entitlement_summary.updated"];

    const LIST: &str = "entitlements/active_entitlements";

    const SOURCE: Source = Source::OfCustomer("Entitlements");

    const OWNER: Owner = Owner::Itself;

    fn read(object: &Value) -> Option<EntitlementSummary> {
        if !is_a(object, "entitlements.active_entitlement_summary") {
            return None;
        }
        let mut keys: Vec<_> = elements(object, "entitlements")
            .iter()
            .filter_map(|entitlement| text(entitlement, "lookup_key"))
            .collect();
        keys.sort();
        Some(EntitlementSummary {
            id: id(object, "customer")?,
            lookup_keys: Value::from(keys).to_string(),
            ..EntitlementSummary::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::ToCustomer(&self.id)
    }
}
