use crate::store::row::rows;

rows! {
    /// `customer.discount.*`
    Discount in "discount" {
        customer_id: Option<String>,
        /// What the discount applies to. Without a subscription and an item, and unless `is_elsewhere` is set, it
        /// applies to all of the customer's subscriptions.
        subscription_id: Option<String>,
        item_id: Option<String>,
        /// 1 if it applies only to an invoice or a checkout.
        is_elsewhere: i64,
        coupon_id: Option<String>,
        starts_at: i64,
        /// `None` if the coupon's duration is `once` or `forever`.
        ends_at: Option<i64>,
        seen_at: Option<i64>,
    }
}
