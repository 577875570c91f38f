//! <https://docs.stripe.com/api/customers/object>

use serde_json::Value;

use super::{Noun, Shown, is_a};
use crate::{
    domain::email,
    store::customer::Customer,
    stripe::json::{flag, id, id_at, kept, number, text},
};

impl Noun for Customer {
    fn read(object: &Value) -> Option<Customer> {
        if !is_a(object, "customer") {
            return None;
        }
        let email = text(object, "email");
        Some(Customer {
            id: text(object, "id")?,
            email_normalised: email.as_deref().map(email::normalise),
            email,
            name: text(object, "name"),
            description: text(object, "description"),
            phone: text(object, "phone"),
            currency: text(object, "currency"),
            metadata: kept(object, "metadata"),
            default_payment_method: id_at(object, "/invoice_settings/default_payment_method")
                .or_else(|| id(object, "default_source")),
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
