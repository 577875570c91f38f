use crate::store::row::rows;

rows! {
    /// `price.*`
    Price in "price" {
        product_id: Option<String>,
        active: i64,
        currency: Option<String>,
        /// Per unit. For amounts with a fraction of a minor unit, only `unit_amount_decimal` is set.
        unit_amount: Option<i64>,
        unit_amount_decimal: Option<String>,
        r#type: Option<String>,
        interval: Option<String>,
        interval_count: Option<i64>,
        usage_type: Option<String>,
        meter: Option<String>,
        billing_scheme: Option<String>,
        tiers_mode: Option<String>,
        /// Stripe's list of tiers, as JSON.
        tiers: Option<String>,
        transform_quantity: Option<String>,
        trial_period_days: Option<i64>,
        tax_behavior: Option<String>,
        lookup_key: Option<String>,
        /// The name of a plan that is older than Stripe's products. Customers saw this name.
        name: Option<String>,
        /// Not shown to customers.
        nickname: Option<String>,
        metadata: Option<String>,
        created: i64,
        seen_at: Option<i64>,
    }
}
