use crate::store::row::rows;

rows! {
    /// `invoice_payment.*`
    InvoicePayment in "invoice_payment" {
        invoice_id: Option<String>,
        payment_intent_id: Option<String>,
        status: Option<String>,
        currency: Option<String>,
        amount_requested: Option<i64>,
        amount_paid: Option<i64>,
        is_default: i64,
        paid_at: Option<i64>,
        created: i64,
    }
}
