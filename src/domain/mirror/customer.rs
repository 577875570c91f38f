//! <https://docs.stripe.com/api/customers/object>

use serde_json::Value;

use super::{Noun, Owner, Shown, Source, discount, is_a};
use crate::{
    domain::email,
    store::customer::Customer,
    stripe::json::{flag, id, id_at, kept, number, text},
    text::is_visible,
};

impl Noun for Customer {
    const EVENTS: &[&str] = &["customer.created", "customer.deleted", "customer.updated"];

    const LIST: &str = "customers";

    const SOURCE: Source = Source::List("Customers");

    const EXPAND: &[&str] = &["discount.source.coupon"];

    const EXPAND_LISTED: &[&str] = &[
        "data.invoice_settings.default_payment_method",
        "data.default_source",
        "data.discount.source.coupon",
    ];

    const OWNER: Owner = Owner::Itself;

    fn read(object: &Value) -> Option<Customer> {
        if !is_a(object, "customer") {
            return None;
        }
        let email = text(object, "email");
        Some(Customer {
            id: text(object, "id")?,
            email_normalised: email.as_deref().map(email::normalise),
            email,
            name: name(object),
            description: text(object, "description"),
            phone: text(object, "phone"),
            currency: text(object, "currency"),
            metadata: kept(object, "metadata"),
            default_payment_method: id_at(object, "/invoice_settings/default_payment_method"),
            default_source: id(object, "default_source"),
            discounts: discount::ids(object),
            delinquent: flag(object, "delinquent").into(),
            created: number(object, "created"),
            ..Customer::default()
        })
    }

    fn shown(&self) -> Shown<'_> {
        let address = self.email_normalised.as_deref();
        address.map_or(Shown::ToNobody, Shown::ToAddress)
    }
}

/// Since 2025-09-30 a customer can have a business name and an individual name beside `name`.
fn name(object: &Value) -> Option<String> {
    ["name", "business_name", "individual_name"]
        .iter()
        .filter_map(|key| text(object, key))
        .find(|name| is_visible(name))
}
