//! <https://docs.stripe.com/api/invoices/object>

use serde_json::Value;

use super::{Noun, Shown, Source, is_a};
use crate::{
    store::mirror::Invoice,
    stripe::json::{flag, id, id_at, maybe, maybe_at, number, text},
};

impl Noun for Invoice {
    const EVENTS: &[&str] = &[
        "invoice.created",
        "invoice.deleted",
        "invoice.finalized",
        "invoice.marked_uncollectible",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.updated",
        "invoice.voided",
    ];

    const LIST: &str = "invoices";

    const SOURCE: Source = Source::List("Invoices");

    fn read(object: &Value) -> Option<Invoice> {
        if !is_a(object, "invoice") {
            return None;
        }
        Some(Invoice {
            id: text(object, "id")?,
            customer_id: id(object, "customer"),
            // `subscription` until 2025-03-31.
            subscription_id: id_at(object, "/parent/subscription_details/subscription")
                .or_else(|| id(object, "subscription")),
            number: text(object, "number"),
            status: text(object, "status").or_else(|| old_status(object)),
            // `billing` until 2019-10-17.
            collection_method: text(object, "collection_method")
                .or_else(|| text(object, "billing")),
            billing_reason: text(object, "billing_reason"),
            currency: text(object, "currency"),
            subtotal: maybe(object, "subtotal"),
            total: maybe(object, "total"),
            amount_due: maybe(object, "amount_due"),
            amount_paid: maybe(object, "amount_paid"),
            amount_remaining: maybe(object, "amount_remaining"),
            hosted_invoice_url: text(object, "hosted_invoice_url"),
            invoice_pdf: text(object, "invoice_pdf"),
            period_start: maybe(object, "period_start"),
            period_end: maybe(object, "period_end"),
            due_date: maybe(object, "due_date"),
            attempt_count: maybe(object, "attempt_count"),
            next_payment_attempt: maybe(object, "next_payment_attempt"),
            paid_at: maybe_at(object, "/status_transitions/paid_at"),
            // `date` until 2019-03-14.
            created: maybe(object, "created").unwrap_or_else(|| number(object, "date")),
            ..Invoice::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::to_customer(self.customer_id.as_deref())
    }

    fn progress(&self) -> u8 {
        match self.status.as_deref() {
            Some("draft") => 0,
            Some("paid" | "void") => 2,
            _ => 1,
        }
    }
}

/// Derives the status of versions before 2018-11-08, which had none.
fn old_status(object: &Value) -> Option<String> {
    let word = if flag(object, "paid") {
        "paid"
    } else if flag(object, "forgiven") {
        "uncollectible"
    } else if flag(object, "closed") {
        "void"
    } else if object.get("attempted") == Some(&Value::Bool(false)) {
        "draft"
    } else if object.get("closed").is_some() {
        "open"
    } else {
        return None;
    };
    Some(word.to_owned())
}
