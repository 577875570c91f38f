use crate::store::row::rows;

rows! {
    /// `invoice.*`
    Invoice in "invoice" {
        customer_id: Option<String>,
        subscription_id: Option<String>,
        number: Option<String>,
        status: Option<String>,
        /// `charge_automatically` or `send_invoice`
        collection_method: Option<String>,
        billing_reason: Option<String>,
        currency: Option<String>,
        subtotal: Option<i64>,
        total: Option<i64>,
        amount_due: Option<i64>,
        amount_paid: Option<i64>,
        amount_remaining: Option<i64>,
        hosted_invoice_url: Option<String>,
        invoice_pdf: Option<String>,
        period_start: Option<i64>,
        period_end: Option<i64>,
        due_date: Option<i64>,
        attempt_count: Option<i64>,
        next_payment_attempt: Option<i64>,
        paid_at: Option<i64>,
        created: i64,
    }
}
