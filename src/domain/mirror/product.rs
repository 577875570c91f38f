//! <https://docs.stripe.com/api/products/object>

use serde_json::Value;

use super::{Noun, Owner, Shown, Source, has_seen_at, is_a};
use crate::{
    store::mirror::Product,
    stripe::json::{flag_or_true, id, kept, number, text},
};

impl Noun for Product {
    const EVENTS: &[&str] = &["product.created", "product.deleted", "product.updated"];

    const LIST: &str = "products";

    const SOURCE: Source = Source::List("Products");

    const OWNER: Owner = Owner::Nobody;

    /// A deleted product keeps its name, because customers who bought it still see it.
    const KEEPS: bool = true;

    fn read(object: &Value) -> Option<Product> {
        if !is_a(object, "product") {
            return None;
        }
        Some(Product {
            id: text(object, "id")?,
            name: text(object, "name"),
            description: text(object, "description"),
            active: flag_or_true(object, "active").into(),
            default_price: id(object, "default_price"),
            statement_descriptor: text(object, "statement_descriptor"),
            unit_label: text(object, "unit_label"),
            features: features(object),
            metadata: kept(object, "metadata"),
            created: number(object, "created"),
            ..Product::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        Shown::ToAnybody
    }

    has_seen_at!();
}

/// `marketing_features`, which was `features` before 2024-04-10.
fn features(object: &Value) -> Option<String> {
    let list = ["marketing_features", "features"]
        .iter()
        .find_map(|key| object.get(key)?.as_array())?;
    let names: Vec<_> = list
        .iter()
        .filter_map(|feature| text(feature, "name"))
        .collect();
    (!names.is_empty()).then(|| Value::from(names).to_string())
}
