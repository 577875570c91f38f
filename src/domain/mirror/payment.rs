//! <https://docs.stripe.com/api/payment_intents/object> and <https://docs.stripe.com/api/invoice-payment/object>. Since
//! 2025-03-31 the latter links a payment to its invoice.

use serde_json::Value;

use super::{Noun, Owner, Shown, Source, is_a};
use crate::{
    store::mirror::{InvoicePayment, PaymentIntent},
    stripe::json::{flag, id, id_at, maybe, maybe_at, number, text, text_at},
};

impl Noun for PaymentIntent {
    const EVENTS: &[&str] = &[
        "payment_intent.canceled",
        "payment_intent.created",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
    ];

    const LIST: &str = "payment_intents";

    const SOURCE: Source = Source::List("PaymentIntents");

    fn read(object: &Value) -> Option<PaymentIntent> {
        if !is_a(object, "payment_intent") {
            return None;
        }
        Some(PaymentIntent {
            id: text(object, "id")?,
            customer_id: id(object, "customer"),
            status: text(object, "status"),
            currency: text(object, "currency"),
            amount: maybe(object, "amount"),
            amount_received: maybe(object, "amount_received"),
            payment_method_id: id(object, "payment_method"),
            invoice_id: id(object, "invoice"),
            error_code: text_at(object, "/last_payment_error/code"),
            decline_code: text_at(object, "/last_payment_error/decline_code"),
            canceled_at: maybe(object, "canceled_at"),
            created: number(object, "created"),
            ..PaymentIntent::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::to_customer(self.customer_id.as_deref())
    }

    /// A processing payment can fail and return to its earlier status, so only the final statuses count as progress.
    fn progress(&self) -> u8 {
        match self.status.as_deref() {
            Some("succeeded" | "canceled") => 1,
            _ => 0,
        }
    }
}

impl Noun for InvoicePayment {
    const EVENTS: &[&str] = &["invoice_payment.paid"];

    const LIST: &str = "invoice_payments";

    const SOURCE: Source = Source::List("Invoices");

    const OWNER: Owner = Owner::Fields(&["invoice"]);

    fn read(object: &Value) -> Option<InvoicePayment> {
        if !is_a(object, "invoice_payment") {
            return None;
        }
        Some(InvoicePayment {
            id: text(object, "id")?,
            invoice_id: id(object, "invoice"),
            payment_intent_id: id_at(object, "/payment/payment_intent"),
            status: text(object, "status"),
            currency: text(object, "currency"),
            amount_requested: maybe(object, "amount_requested"),
            amount_paid: maybe(object, "amount_paid"),
            is_default: flag(object, "is_default").into(),
            paid_at: maybe_at(object, "/status_transitions/paid_at"),
            created: number(object, "created"),
            ..InvoicePayment::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::ToNobody
    }

    fn progress(&self) -> u8 {
        match self.status.as_deref() {
            Some("paid" | "canceled") => 1,
            _ => 0,
        }
    }
}
