//! <https://docs.stripe.com/api/payment_methods/object>, and the cards, bank accounts and sources that older customers still pay
//! with.

use serde_json::Value;

use super::{Noun, Shown, Source, has_seen_at, is_a};
use crate::{
    store::mirror::PaymentMethod,
    stripe::json::{id, maybe, number, text},
};

impl Noun for PaymentMethod {
    const EVENTS: &[&str] = &[
        "customer.source.created",
        "customer.source.deleted",
        "customer.source.updated",
        "payment_method.attached",
        "payment_method.automatically_updated",
        "payment_method.detached",
        "payment_method.updated",
    ];

    const LIST: &str = "payment_methods";

    /// Stripe lists the payment methods of one customer at a time, and an import needs only the default ones.
    const SOURCE: Source = Source::ById("Payment Methods");

    fn read(object: &Value) -> Option<PaymentMethod> {
        // A payment method or source has its details under its type. A card has them at the top level.
        let (r#type, details) = if is_a(object, "payment_method") || is_a(object, "source") {
            let r#type = text(object, "type")?;
            let details = object.get(&r#type).unwrap_or(&Value::Null);
            (r#type, details)
        } else if is_a(object, "card") || is_a(object, "bank_account") {
            (text(object, "object")?, object)
        } else {
            return None;
        };
        Some(PaymentMethod {
            id: text(object, "id")?,
            customer_id: id(object, "customer"),
            // The brand that the customer chose, where a card has two. A custom payment method has the seller's display name.
            brand: ["display_brand", "brand", "bank_name", "display_name"]
                .iter()
                .filter_map(|key| text(details, key))
                .find(|brand| brand != "other"),
            last4: text(details, "last4"),
            exp_month: maybe(details, "exp_month"),
            exp_year: maybe(details, "exp_year"),
            created: number(object, "created"),
            r#type: Some(r#type),
            ..PaymentMethod::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::to_customer(self.customer_id.as_deref())
    }

    has_seen_at!();
}
