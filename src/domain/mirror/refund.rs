//! <https://docs.stripe.com/api/refunds/object>: money returned to the customer, by card or otherwise.

use serde_json::Value;

use super::{Noun, Owner, Shown, Source, is_a};
use crate::{
    store::mirror::Refund,
    stripe::json::{id, maybe, number, text},
};

impl Noun for Refund {
    const EVENTS: &[&str] = &["refund.created", "refund.failed", "refund.updated"];

    const LIST: &str = "refunds";

    /// One permission of a restricted key covers refunds and charges together. A stolen key should not expose either.
    const SOURCE: Source = Source::Closed("Refunds");

    const OWNER: Owner = Owner::Fields(&["customer", "payment_intent", "charge"]);

    fn read(object: &Value) -> Option<Refund> {
        if !is_a(object, "refund") {
            return None;
        }
        Some(Refund {
            id: text(object, "id")?,
            customer_id: id(object, "customer"),
            payment_intent_id: id(object, "payment_intent"),
            charge_id: id(object, "charge"),
            amount: maybe(object, "amount"),
            currency: text(object, "currency"),
            status: text(object, "status"),
            reason: text(object, "reason"),
            failure_reason: text(object, "failure_reason"),
            receipt_number: text(object, "receipt_number"),
            created: number(object, "created"),
            ..Refund::default()
        })
    }

    /// Most versions of the API name no customer. The refund is then shown to the customer of the payment.
    fn shown(&self) -> Shown<'_> {
        match (&self.customer_id, &self.payment_intent_id) {
            (Some(customer), _) => Shown::ToCustomer(customer),
            (None, Some(payment)) => Shown::ToPayer(payment),
            (None, None) => Shown::ToNobody,
        }
    }

    /// A bank can still return a refund that it had accepted.
    fn progress(&self) -> u8 {
        match self.status.as_deref() {
            Some("failed" | "canceled") => 2,
            Some("succeeded") => 1,
            _ => 0,
        }
    }
}
