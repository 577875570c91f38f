use crate::store::row::rows;

rows! {
    /// `checkout.session.*`
    CheckoutSession in "checkout_session" {
        customer_id: Option<String>,
        mode: Option<String>,
        status: Option<String>,
        payment_status: Option<String>,
        currency: Option<String>,
        amount_total: Option<i64>,
        subscription_id: Option<String>,
        payment_intent_id: Option<String>,
        invoice_id: Option<String>,
        client_reference_id: Option<String>,
        metadata: Option<String>,
        created: i64,
    }
}
