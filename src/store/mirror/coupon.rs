use crate::store::row::rows;

rows! {
    /// `coupon.*`
    Coupon in "coupon" {
        name: Option<String>,
        /// A decimal number: `12.5`.
        percent_off: Option<String>,
        amount_off: Option<i64>,
        currency: Option<String>,
        /// Stripe's map from currencies to amounts, as JSON.
        currency_options: Option<String>,
        /// `once`, `repeating` or `forever`
        duration: Option<String>,
        duration_in_months: Option<i64>,
        /// The ids of the products that the coupon is restricted to, as a JSON list; empty means all products.
        /// `None` until Stripe has been asked, because no event contains it.
        applies_to: Option<String>,
        created: i64,
        seen_at: Option<i64>,
    }
}
