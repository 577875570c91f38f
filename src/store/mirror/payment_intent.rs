use crate::store::row::rows;

rows! {
    /// `payment_intent.*`
    PaymentIntent in "payment_intent" {
        customer_id: Option<String>,
        status: Option<String>,
        currency: Option<String>,
        amount: Option<i64>,
        amount_received: Option<i64>,
        payment_method_id: Option<String>,
        invoice_id: Option<String>,
        error_code: Option<String>,
        decline_code: Option<String>,
        canceled_at: Option<i64>,
        created: i64,
    }
}
