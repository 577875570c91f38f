//! <https://docs.stripe.com/api/checkout/sessions/object>

use serde_json::Value;

use super::{Noun, Shown, Source, is_a};
use crate::{
    store::mirror::CheckoutSession,
    stripe::json::{id, kept, maybe, number, text},
};

impl Noun for CheckoutSession {
    const EVENTS: &[&str] = &[
        "checkout.session.async_payment_failed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.completed",
    ];

    const LIST: &str = "checkout/sessions";

    const SOURCE: Source = Source::List("Checkout Sessions");

    fn read(object: &Value) -> Option<CheckoutSession> {
        if !is_a(object, "checkout.session") {
            return None;
        }
        Some(CheckoutSession {
            id: text(object, "id")?,
            customer_id: id(object, "customer"),
            mode: text(object, "mode"),
            status: text(object, "status"),
            payment_status: text(object, "payment_status"),
            currency: text(object, "currency"),
            amount_total: maybe(object, "amount_total"),
            subscription_id: id(object, "subscription"),
            payment_intent_id: id(object, "payment_intent"),
            invoice_id: id(object, "invoice"),
            client_reference_id: text(object, "client_reference_id"),
            metadata: kept(object, "metadata"),
            created: number(object, "created"),
            ..CheckoutSession::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::to_customer(self.customer_id.as_deref())
    }

    fn progress(&self) -> u8 {
        match (self.status.as_deref(), self.payment_status.as_deref()) {
            (Some("open"), _) => 0,
            // A delayed payment method: the session is complete, and the payment arrives later.
            (_, Some("unpaid")) => 1,
            _ => 2,
        }
    }
}
