//! <https://docs.stripe.com/api/subscriptions/object>. Since 2025-03-31 each item has its own billing period. Before, the
//! subscription had one period for all items.

use serde_json::Value;

use super::{Noun, Shown, Source, discount, is_a};
use crate::{
    store::mirror::{Subscription, SubscriptionItem, SubscriptionState},
    stripe::json::{elements, flag, id, is_cut, kept, maybe, maybe_at, number, text, text_at},
};

impl Noun for SubscriptionState {
    const EVENTS: &[&str] = &[
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.updated",
    ];

    const LIST: &str = "subscriptions";

    const SOURCE: Source = Source::List("Subscriptions");

    /// By default Stripe's list leaves out canceled subscriptions.
    const LISTED_WITH: &[(&str, &str)] = &[("status", "all")];

    const EXPAND: &[&str] = &["discounts.source.coupon", "items.data.discounts"];

    const EXPAND_LISTED: &[&str] = &[
        "data.default_payment_method",
        "data.default_source",
        "data.discounts.source.coupon",
        "data.items.data.discounts",
    ];

    fn read(object: &Value) -> Option<SubscriptionState> {
        if !is_a(object, "subscription") {
            return None;
        }
        let row = Subscription {
            id: text(object, "id")?,
            customer_id: id(object, "customer"),
            status: text(object, "status"),
            description: text(object, "description"),
            currency: text(object, "currency").or_else(|| text_at(object, "/plan/currency")),
            // `billing` until 2019-10-17.
            collection_method: text(object, "collection_method")
                .or_else(|| text(object, "billing")),
            cancel_at: maybe(object, "cancel_at"),
            cancel_at_period_end: flag(object, "cancel_at_period_end").into(),
            canceled_at: maybe(object, "canceled_at"),
            ended_at: maybe(object, "ended_at"),
            trial_start: maybe(object, "trial_start"),
            trial_end: maybe(object, "trial_end"),
            pause_behavior: text_at(object, "/pause_collection/behavior"),
            pause_resumes_at: maybe_at(object, "/pause_collection/resumes_at"),
            default_payment_method: id(object, "default_payment_method"),
            default_source: id(object, "default_source"),
            discounts: discount::ids(object),
            presentment_currency: text_at(object, "/presentment_details/presentment_currency"),
            automatic_tax: object
                .pointer("/automatic_tax/enabled")
                .and_then(Value::as_bool)
                .unwrap_or_default()
                .into(),
            exclusive_tax: has_exclusive_tax(object).into(),
            is_cut: is_cut(object, "items").into(),
            latest_invoice: id(object, "latest_invoice"),
            metadata: kept(object, "metadata"),
            // `start` until 2019-10-17.
            start_date: maybe(object, "start_date").or_else(|| maybe(object, "start")),
            created: number(object, "created"),
            ..Subscription::default()
        };
        let items = items(object, &row.id);
        Some(SubscriptionState { row, items })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::to_customer(self.row.customer_id.as_deref())
    }

    fn progress(&self) -> u8 {
        match self.row.status.as_deref() {
            Some("incomplete") => 0,
            Some("canceled" | "incomplete_expired") => 2,
            _ => 1,
        }
    }
}

/// Before 2020 an item had a plan and no price. In still older versions the subscription had a plan and no items.
fn items(object: &Value, subscription_id: &str) -> Vec<SubscriptionItem> {
    let list = elements(object, "items");
    let only = std::slice::from_ref(object);
    let list = if list.is_empty() && object.get("plan").is_some_and(Value::is_object) {
        only
    } else {
        list
    };
    list.iter()
        .zip(0..)
        .map(|(item, position)| {
            let is_item = is_a(item, "subscription_item");
            let price = item.get("price").filter(|price| price.is_object());
            let price = price.or_else(|| item.get("plan")).unwrap_or(&Value::Null);
            let period = |key| maybe(item, key).or_else(|| maybe(object, key));
            SubscriptionItem {
                subscription_id: subscription_id.to_owned(),
                position,
                id: is_item.then(|| text(item, "id")).flatten(),
                price_id: text(price, "id"),
                product_id: id(price, "product"),
                quantity: maybe(item, "quantity"),
                discounts: is_item.then(|| discount::ids(item)).flatten(),
                price_created: maybe(price, "created"),
                current_period_start: period("current_period_start"),
                current_period_end: period("current_period_end"),
            }
        })
        .collect()
}

/// Whether the seller's tax rates are added to the prices of the subscription or of an item (exclusive tax). Before 2019-12-03
/// there was a percentage instead.
fn has_exclusive_tax(object: &Value) -> bool {
    let rates = |of: &Value, key| {
        let rates = of.get(key).and_then(Value::as_array);
        rates.into_iter().flatten().any(|rate| {
            let is_inclusive = rate.get("inclusive").and_then(Value::as_bool);
            is_inclusive == Some(false)
        })
    };
    let has_percentage = object
        .get("tax_percent")
        .and_then(Value::as_f64)
        .is_some_and(|percent| percent > 0.0);
    has_percentage
        || rates(object, "default_tax_rates")
        || elements(object, "items")
            .iter()
            .any(|item| rates(item, "tax_rates"))
}
