//! <https://docs.stripe.com/api/prices/object>, and the plan inside subscriptions from before 2020. A plan has the id of its
//! price.

use serde_json::Value;

use super::{Noun, Owner, Shown, Source, has_seen_at, is_a};
use crate::{
    store::mirror::Price,
    stripe::json::{flag_or_true, id, kept, maybe, number, text},
};

impl Noun for Price {
    const EVENTS: &[&str] = &["price.created", "price.deleted", "price.updated"];

    const LIST: &str = "prices";

    const SOURCE: Source = Source::List("Prices");

    const EXPAND: &[&str] = &["tiers"];

    const EXPAND_LISTED: &[&str] = &["data.tiers"];

    const OWNER: Owner = Owner::Nobody;

    /// A deleted price is still charged to its subscribers.
    const KEEPS: bool = true;

    fn read(object: &Value) -> Option<Price> {
        if is_a(object, "plan") {
            return plan(object);
        }
        if !is_a(object, "price") {
            return None;
        }
        let recurring = object.get("recurring").unwrap_or(&Value::Null);
        Some(Price {
            unit_amount: maybe(object, "unit_amount"),
            unit_amount_decimal: text(object, "unit_amount_decimal"),
            r#type: text(object, "type"),
            lookup_key: text(object, "lookup_key"),
            tax_behavior: text(object, "tax_behavior"),
            ..common(object, recurring)?
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::ToAnybody
    }

    /// Stripe returns tiers only when they are expanded, and they never change.
    fn completed(self, known: &Price) -> Price {
        Price {
            tiers: self.tiers.or_else(|| known.tiers.clone()),
            ..self
        }
    }

    fn lacks_something(&self, known: Option<&Price>) -> bool {
        let is_tiered = self.billing_scheme.as_deref() == Some("tiered");
        let is_known = |price: &Price| price.tiers.is_some() || price.deleted_at.is_some();
        is_tiered && !is_known(self) && !known.is_some_and(is_known)
    }

    has_seen_at!();
}

/// A plan has at the top level what a price has under `recurring`.
fn plan(object: &Value) -> Option<Price> {
    Some(Price {
        unit_amount: maybe(object, "amount"),
        unit_amount_decimal: text(object, "amount_decimal"),
        r#type: Some("recurring".to_owned()),
        // Until 2018-02-05 a plan had no product, and customers saw this name.
        name: text(object, "name"),
        ..common(object, object)?
    })
}

fn common(object: &Value, recurring: &Value) -> Option<Price> {
    Some(Price {
        id: text(object, "id")?,
        product_id: id(object, "product"),
        active: flag_or_true(object, "active").into(),
        currency: text(object, "currency"),
        interval: text(recurring, "interval"),
        interval_count: maybe(recurring, "interval_count"),
        usage_type: text(recurring, "usage_type"),
        meter: text(recurring, "meter"),
        trial_period_days: maybe(recurring, "trial_period_days"),
        billing_scheme: text(object, "billing_scheme"),
        tiers_mode: text(object, "tiers_mode"),
        tiers: kept(object, "tiers"),
        transform_quantity: kept(object, "transform_quantity")
            .or_else(|| kept(object, "transform_usage")),
        nickname: text(object, "nickname"),
        metadata: kept(object, "metadata"),
        created: number(object, "created"),
        ..Price::default()
    })
}
