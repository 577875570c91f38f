//! The types of events that the webhook endpoint must be sent for the mirror to stay true.

/// Without one of them something changes at Stripe and not here. Events of other types are kept and
/// ignored, or say what these say too.
pub const EVENTS: &[&str] = &[
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "coupon.created",
    "coupon.deleted",
    "coupon.updated",
    "customer.created",
    "customer.deleted",
    "customer.discount.created",
    "customer.discount.deleted",
    "customer.discount.updated",
    "customer.source.created",
    "customer.source.deleted",
    "customer.source.updated",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.updated",
    "customer.updated",
    "entitlements.active_entitlement_summary.updated",
    "invoice.created",
    "invoice.deleted",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.updated",
    "invoice.voided",
    "invoice_payment.paid",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "price.created",
    "price.deleted",
    "price.updated",
    "product.created",
    "product.deleted",
    "product.updated",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::Kind, *};

    #[test]
    fn the_readme_asks_for_the_events_that_are_mirrored() {
        let readme = include_str!("../../../README.md");
        let step = readme.split("5. **Webhook:**").nth(1).unwrap();
        let step = step.split("6. **Mail:**").next().unwrap();
        // The headings of Stripe's list of events.
        let heading = |r#type: &str| match r#type.split('.').next().unwrap() {
            "invoice_payment" => "*Invoice Payment*",
            "payment_intent" => "*Payment Intent*",
            "payment_method" => "*Payment Method*",
            "customer" => "*Customer* (subscriptions, sources and discounts included)",
            "coupon" => "*Coupon*",
            "product" => "*Product*",
            "price" => "*Price*",
            "invoice" => "*Invoice*",
            "entitlements" => "*Entitlements*",
            _ => "*Checkout*",
        };
        let step = step.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut kinds = BTreeSet::new();
        for r#type in EVENTS {
            kinds.insert(Kind::of_type(r#type).expect("it is mirrored"));
            assert!(step.contains(heading(r#type)), "{type} is not in step 5");
        }
        assert_eq!(kinds.len(), 12, "every noun has its events");
        assert!(EVENTS.is_sorted());
    }
}
