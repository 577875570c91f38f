use crate::store::row::rows;

rows! {
    /// `payment_method.*`, and `customer.source.*` of the older kind.
    PaymentMethod in "payment_method" {
        customer_id: Option<String>,
        r#type: Option<String>,
        brand: Option<String>,
        last4: Option<String>,
        exp_month: Option<i64>,
        exp_year: Option<i64>,
        created: i64,
        seen_at: Option<i64>,
    }
}
