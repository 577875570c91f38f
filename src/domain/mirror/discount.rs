//! <https://docs.stripe.com/api/discounts/object>: a coupon applied to a customer, a subscription or one of its items.

use serde_json::Value;

use super::{Noun, Shown, Source, has_seen_at, is_a};
use crate::{
    store::mirror::Discount,
    stripe::json::{id, id_at, maybe, number, text},
};

impl Noun for Discount {
    const EVENTS: &[&str] = &[
        "customer.discount.created",
        "customer.discount.deleted",
        "customer.discount.updated",
    ];

    const LIST: &str = "discounts";

    const SOURCE: Source = Source::Inside;

    fn read(object: &Value) -> Option<Discount> {
        if !is_a(object, "discount") {
            return None;
        }
        Some(Discount {
            id: id_of(object)?,
            customer_id: id(object, "customer"),
            subscription_id: id(object, "subscription"),
            item_id: id(object, "subscription_item"),
            is_elsewhere: ["invoice", "invoice_item", "checkout_session"]
                .iter()
                .any(|key| id(object, key).is_some())
                .into(),
            coupon_id: coupon_of(object),
            starts_at: number(object, "start"),
            ends_at: maybe(object, "end"),
            ..Discount::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::to_customer(self.customer_id.as_deref())
    }

    has_seen_at!();
}

/// The ids of an object's discounts as a JSON list: from `discounts`, or from the single `discount` of customers and of older
/// subscriptions.
pub fn ids(object: &Value) -> Option<String> {
    let list = object.get("discounts").and_then(Value::as_array);
    let one = object
        .get("discount")
        .filter(|discount| !discount.is_null());
    let all = match list.map(Vec::as_slice) {
        Some(all) if !all.is_empty() => all,
        _ => one.map(std::slice::from_ref).unwrap_or_default(),
    };
    let ids: Vec<_> = all.iter().filter_map(id_of).collect();
    (!ids.is_empty()).then(|| Value::from(ids).to_string())
}

/// A discount from before 2020 has no id. One is derived from its object and its coupon.
fn id_of(discount: &Value) -> Option<String> {
    if let Some(id) = discount.as_str() {
        return Some(id.to_owned());
    }
    text(discount, "id").or_else(|| {
        let on = id(discount, "subscription").or_else(|| id(discount, "customer"))?;
        let start = number(discount, "start");
        Some(format!("{on}/{}/{start}", coupon_of(discount)?))
    })
}

/// `source.coupon`, which was `coupon` until 2025-09-30.
fn coupon_of(discount: &Value) -> Option<String> {
    id_at(discount, "/source/coupon").or_else(|| id(discount, "coupon"))
}
