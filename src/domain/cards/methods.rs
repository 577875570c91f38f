//! The payment methods that the next invoices of a customer are charged to.

use time::OffsetDateTime;

use super::{
    CardRows,
    card::{Expiry, PaymentMethods, SavedMethod},
    status::{has_ended, is_by_invoice},
};
use crate::store::{
    customer::Customer,
    mirror::{PaymentMethod, Subscription},
};

impl CardRows {
    /// The payment methods for the next invoices: each subscription's own, else the customer's default. `shown` are the subscriptions
    /// on the card.
    pub fn payment_methods(
        &self,
        customer: &Customer,
        shown: &[&Subscription],
        now: i64,
    ) -> Option<PaymentMethods> {
        let running: Vec<_> = shown
            .iter()
            .copied()
            .filter(|row| !has_ended(row))
            .collect();
        let (by_invoice, charged): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|row| is_by_invoice(row));
        if charged.is_empty() && !by_invoice.is_empty() {
            return Some(PaymentMethods {
                methods: Vec::new(),
                by_invoice: true,
            });
        }
        let own = charged.iter().map(|row| {
            let own = methods_of_subscription(row);
            self.first_attached(customer, own.chain(methods_of_customer(customer)))
        });
        let mut methods: Vec<_> = own.collect();
        if methods.is_empty() {
            methods.push(self.first_attached(customer, methods_of_customer(customer)));
        }
        // Where one is not known, the list would be incomplete.
        let methods: Result<Vec<_>, NotKnown> = methods.into_iter().collect();
        let mut methods: Vec<_> = methods
            .ok()?
            .into_iter()
            .flatten()
            .map(|row| SavedMethod::of(row, now))
            .collect();
        // The same card may be saved more than once.
        methods.sort();
        methods.dedup();
        (!methods.is_empty()).then_some(PaymentMethods {
            methods,
            by_invoice: !by_invoice.is_empty(),
        })
    }

    /// The first of these that is attached to the customer. A detached or deleted method cannot be charged, even where an object
    /// still refers to it.
    fn first_attached<'i>(
        &self,
        customer: &Customer,
        ids: impl Iterator<Item = &'i String>,
    ) -> Result<Option<&PaymentMethod>, NotKnown> {
        for id in ids.filter(|id| !self.over.contains(*id)) {
            let method = self.methods.get(id).ok_or(NotKnown)?;
            let is_theirs = method.customer_id.as_ref() == Some(&customer.id);
            if is_theirs && method.deleted_at.is_none() {
                return Ok(Some(method));
            }
        }
        Ok(None)
    }
}

/// A payment method is referred to, and nothing is known of it.
struct NotKnown;

/// In Stripe's order of precedence
/// (<https://docs.stripe.com/api/subscriptions/object#subscription_object-default_payment_method>).
pub fn methods_of_subscription(row: &Subscription) -> impl Iterator<Item = &String> {
    row.default_payment_method.iter().chain(&row.default_source)
}

pub fn methods_of_customer(row: &Customer) -> impl Iterator<Item = &String> {
    row.default_payment_method.iter().chain(&row.default_source)
}

impl SavedMethod {
    pub fn of(row: &PaymentMethod, now: i64) -> SavedMethod {
        let given = |text: &Option<String>| {
            let text = text.as_deref().map(str::trim);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let kind = given(&row.r#type);
        SavedMethod {
            // Legacy cards have no type.
            kind: kind.map_or_else(|| "card".to_owned(), |kind| api_word(&kind)),
            brand: given(&row.brand),
            last4: given(&row.last4),
            expiry: row.exp_month.zip(row.exp_year).map(|(month, year)| Expiry {
                month,
                year,
                has_expired: has_expired(month, year, now),
            }),
        }
    }
}

/// Converts a word to the form of the current API: legacy cards have `American Express`.
pub fn api_word(text: &str) -> String {
    text.to_lowercase().replace(' ', "_")
}

/// A card is valid until the end of its month.
fn has_expired(month: i64, year: i64, now: i64) -> bool {
    let now = OffsetDateTime::from_unix_timestamp(now).ok();
    now.is_some_and(|now| (year, month) < (now.year().into(), u8::from(now.month()).into()))
}
