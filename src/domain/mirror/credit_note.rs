//! <https://docs.stripe.com/api/credit_notes/object>: an amount taken off an invoice after it was finalized.

use serde_json::Value;

use super::{Noun, Shown, Source, is_a};
use crate::{
    store::mirror::CreditNote,
    stripe::json::{id, maybe, number, text},
};

impl Noun for CreditNote {
    const EVENTS: &[&str] = &[
        "credit_note.created",
        "credit_note.updated",
        "credit_note.voided",
    ];

    const LIST: &str = "credit_notes";

    const SOURCE: Source = Source::List("Credit notes");

    fn read(object: &Value) -> Option<CreditNote> {
        if !is_a(object, "credit_note") {
            return None;
        }
        Some(CreditNote {
            id: text(object, "id")?,
            customer_id: id(object, "customer"),
            invoice_id: id(object, "invoice"),
            number: text(object, "number"),
            status: text(object, "status"),
            r#type: text(object, "type"),
            reason: text(object, "reason"),
            currency: text(object, "currency"),
            amount: maybe(object, "amount"),
            pre_payment_amount: maybe(object, "pre_payment_amount"),
            post_payment_amount: maybe(object, "post_payment_amount"),
            pdf: text(object, "pdf"),
            refunds: refunds(object),
            voided_at: maybe(object, "voided_at"),
            created: number(object, "created"),
            ..CreditNote::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::to_customer(self.customer_id.as_deref())
    }

    fn progress(&self) -> u8 {
        u8::from(self.status.as_deref() == Some("void"))
    }
}

/// `refunds`, which was a single `refund` before 2025-03-31.
fn refunds(object: &Value) -> Option<String> {
    let list = object.get("refunds").and_then(Value::as_array);
    let ids: Vec<_> = list
        .into_iter()
        .flatten()
        .filter_map(|refund| id(refund, "refund"))
        .chain(id(object, "refund"))
        .collect();
    (!ids.is_empty()).then(|| Value::from(ids).to_string())
}
