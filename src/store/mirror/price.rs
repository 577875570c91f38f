use crate::store::row::rows;

rows! {
    /// `price.*`
    Price in "price" {
        product_id: Option<String>,
        active: i64,
        currency: Option<String>,
        /// For one of it. With a fraction only `unit_amount_decimal` is set.
        unit_amount: Option<i64>,
        unit_amount_decimal: Option<String>,
        r#type: Option<String>,
        interval: Option<String>,
        interval_count: Option<i64>,
        usage_type: Option<String>,
        meter: Option<String>,
        billing_scheme: Option<String>,
        tiers_mode: Option<String>,
        /// Stripe's list, as JSON.
        tiers: Option<String>,
        transform_quantity: Option<String>,
        trial_period_days: Option<i64>,
        tax_behavior: Option<String>,
        lookup_key: Option<String>,
        /// Of plans from before products, which customers were shown.
        name: Option<String>,
        /// Hidden from customers.
        nickname: Option<String>,
        metadata: Option<String>,
        created: i64,
        seen_at: Option<i64>,
    }
}
