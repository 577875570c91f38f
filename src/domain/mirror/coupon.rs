//! <https://docs.stripe.com/api/coupons/object>

use serde_json::Value;

use super::{Noun, Owner, Shown, Source, has_seen_at, is_a};
use crate::{
    store::mirror::Coupon,
    stripe::json::{kept, maybe, number, text},
};

impl Noun for Coupon {
    const EVENTS: &[&str] = &["coupon.created", "coupon.deleted", "coupon.updated"];

    const LIST: &str = "coupons";

    const SOURCE: Source = Source::List("Coupons");

    const EXPAND: &[&str] = &["applies_to"];

    const EXPAND_LISTED: &[&str] = &["data.applies_to"];

    const OWNER: Owner = Owner::Nobody;

    /// A deleted coupon does not remove the discounts made from it.
    const KEEPS: bool = true;

    const SETTLED: &str = "AND applies_to IS NOT NULL";

    fn read(object: &Value) -> Option<Coupon> {
        if !is_a(object, "coupon") {
            return None;
        }
        Some(Coupon {
            id: text(object, "id")?,
            name: text(object, "name"),
            // Until 2018-07-27 `percent_off` was a whole number, and `percent_off_precise` had the fraction.
            percent_off: ["percent_off_precise", "percent_off"]
                .iter()
                .find_map(|key| object.get(key)?.as_f64())
                .map(|percent| percent.to_string()),
            amount_off: maybe(object, "amount_off"),
            currency: text(object, "currency"),
            currency_options: kept(object, "currency_options"),
            duration: text(object, "duration"),
            duration_in_months: maybe(object, "duration_in_months"),
            applies_to: object.get("applies_to").map(|applies_to| {
                let products = applies_to.get("products").filter(|list| list.is_array());
                products.map_or_else(|| "[]".to_owned(), Value::to_string)
            }),
            created: number(object, "created"),
            ..Coupon::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::ToAnybody
    }

    /// Stripe returns the restrictions of a coupon (`applies_to`) only when they are expanded, and they never change.
    fn completed(self, known: &Coupon) -> Coupon {
        Coupon {
            applies_to: self.applies_to.or_else(|| known.applies_to.clone()),
            currency_options: self
                .currency_options
                .or_else(|| known.currency_options.clone()),
            ..self
        }
    }

    fn lacks_something(&self, known: Option<&Coupon>) -> bool {
        let is_known = |coupon: &Coupon| coupon.applies_to.is_some() || coupon.deleted_at.is_some();
        !is_known(self) && !known.is_some_and(is_known)
    }

    has_seen_at!();
}
