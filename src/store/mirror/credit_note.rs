use crate::store::row::rows;

rows! {
    /// `credit_note.*`
    CreditNote in "credit_note" {
        customer_id: Option<String>,
        invoice_id: Option<String>,
        number: Option<String>,
        status: Option<String>,
        r#type: Option<String>,
        reason: Option<String>,
        currency: Option<String>,
        amount: Option<i64>,
        /// The amount that lowers the amount due of an open invoice.
        pre_payment_amount: Option<i64>,
        /// The amount that is given back on a paid invoice.
        post_payment_amount: Option<i64>,
        pdf: Option<String>,
        /// The ids of the refunds made with this credit note, as a JSON list.
        refunds: Option<String>,
        voided_at: Option<i64>,
        created: i64,
    }
}
