use crate::store::row::rows;

rows! {
    /// `refund.*`
    Refund in "refund" {
        /// Only newer versions of the API send it.
        customer_id: Option<String>,
        /// The payment that is refunded.
        payment_intent_id: Option<String>,
        charge_id: Option<String>,
        amount: Option<i64>,
        currency: Option<String>,
        status: Option<String>,
        reason: Option<String>,
        failure_reason: Option<String>,
        receipt_number: Option<String>,
        created: i64,
    }
}
