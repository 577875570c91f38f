use crate::store::row::rows;

rows! {
    /// `customer.discount.*`
    Discount in "discount" {
        customer_id: Option<String>,
        /// What it is on: all of the customer's subscriptions where neither is set and it is not
        /// elsewhere.
        subscription_id: Option<String>,
        item_id: Option<String>,
        /// 1 where it is on an invoice or a checkout alone.
        is_elsewhere: i64,
        coupon_id: Option<String>,
        starts_at: i64,
        /// `None` where the coupon's duration is `once` or `forever`.
        ends_at: Option<i64>,
        seen_at: Option<i64>,
    }
}
