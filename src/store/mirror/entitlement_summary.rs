use crate::store::row::rows;

rows! {
    /// `entitlements.active_entitlement_summary.updated`. Its id is the customer's.
    EntitlementSummary in "entitlement_summary" {
        /// Sorted, as a JSON list.
        lookup_keys: String,
    }
}
