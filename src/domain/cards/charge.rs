//! The next charge of a subscription: its prices and discounts.

mod bill;
mod discounts;

use bill::Bill;
use discounts::{Discounts, Found};

use super::{
    super::price::{Amount, ListPrice},
    CardRows,
    card::{Cost, Discount, Off},
};
use crate::store::{
    customer::Customer,
    mirror::{self, Price, Subscription, SubscriptionItem},
};

/// What a card shows about the charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub cost: Cost,
    pub plus_tax: bool,
    pub discount: Option<Discount>,
}

/// `next` is the time of the next charge, where that is known.
pub fn of(
    shelf: &CardRows,
    customer: &Customer,
    row: &Subscription,
    items: &[&SubscriptionItem],
    next: Option<i64>,
    now: i64,
) -> Charge {
    let currency = row.presentment_currency.as_ref().or(row.currency.as_ref());
    let currency = currency.map(String::as_str);
    // A quantity of zero costs nothing, except with tiered pricing (a tier can have a flat fee) or metered usage.
    let is_none = |item: &&&SubscriptionItem| {
        let price = shelf.price(item);
        item.quantity == Some(0) && price.is_some_and(is_per_unit)
    };
    let mut charged: Vec<_> = items
        .iter()
        .filter(|item| !is_none(item))
        .copied()
        .collect();
    if charged.is_empty() {
        charged = items.to_vec();
    }
    let plus_tax = plus_tax(shelf, row, &charged);
    let list = list(shelf, row, &charged, currency);
    let discounts = Discounts {
        shelf,
        at: next.unwrap_or(now).max(now),
    };
    let of_items: Vec<_> = charged
        .iter()
        .map(|item| {
            let is_on = |discount: &mirror::Discount| {
                discount.item_id.is_some()
                    && discount.item_id == item.id
                    && discount.stripe_at >= row.stripe_at
            };
            discounts.named(item.discounts.as_deref(), is_on)
        })
        .collect();
    let has_own = of_items.iter().any(|all| !all.is_empty());
    let is_on = |discount: &mirror::Discount| {
        discount.item_id.is_none()
            && discount.subscription_id.as_ref() == Some(&row.id)
            && discount.stripe_at >= row.stripe_at
    };
    let mut of_all = discounts.named(row.discounts.as_deref(), is_on);
    // A subscription without discounts inherits the customer's (Stripe's rule).
    let is_inherited = of_all.is_empty();
    if is_inherited {
        let is_on = |discount: &mirror::Discount| {
            discount.customer_id.as_ref() == Some(&customer.id)
                && discount.subscription_id.is_none()
                && discount.item_id.is_none()
                && discount.is_elsewhere == 0
                && discount.stripe_at >= customer.stripe_at
        };
        of_all = discounts.named(customer.discounts.as_deref(), is_on);
    }
    let found: Vec<_> = of_items.iter().flatten().chain(&of_all).collect();
    if found.is_empty() {
        return Charge {
            cost: list,
            plus_tax,
            discount: None,
        };
    }
    // Stripe does not document whether the customer's discount is applied on top of item discounts.
    let is_unclear = is_inherited && has_own && !of_all.is_empty();
    let lines = bill::lines(shelf, &charged, currency).filter(|_| !is_unclear && row.is_cut == 0);
    let is_only_thing = !is_inherited || shelf.shown(customer).len() == 1;
    let bill = lines.and_then(|lines| Bill::make(lines, &of_items, &of_all, is_only_thing));
    let (cost, discount) = match bill {
        Some(bill) => bill.result(&charged, shelf, currency.unwrap_or_default()),
        None => before(list, &found, charged.len() == 1 && !is_unclear),
    };
    Charge {
        cost,
        plus_tax,
        discount,
    }
}

/// Whether tax is added to the prices (exclusive tax).
fn plus_tax(shelf: &CardRows, row: &Subscription, items: &[&SubscriptionItem]) -> bool {
    let excludes_it = |item: &&SubscriptionItem| {
        let price = shelf.price(item);
        price.is_some_and(|price| price.tax_behavior.as_deref() == Some("exclusive"))
    };
    row.exclusive_tax != 0 || row.automatic_tax != 0 && items.iter().any(excludes_it)
}

fn is_per_unit(price: &Price) -> bool {
    price.billing_scheme.as_deref() != Some("tiered")
        && price.usage_type.as_deref() != Some("metered")
}

fn list(
    shelf: &CardRows,
    row: &Subscription,
    items: &[&SubscriptionItem],
    currency: Option<&str>,
) -> Cost {
    let prices: Option<Vec<_>> = items
        .iter()
        .map(|item| ListPrice::of(shelf.price(item)?, currency, item.quantity))
        .collect();
    match prices {
        Some(prices) if !prices.is_empty() && row.is_cut == 0 => Cost::List {
            prices,
            before_discount: false,
        },
        _ => Cost::Unknown,
    }
}

/// Used where the amount after discounts cannot be determined. `is_all` says that each discount applies to everything.
fn before(list: Cost, found: &[&Found<'_>], is_all: bool) -> (Cost, Option<Discount>) {
    let found_on_all = if is_all { found } else { &[] };
    let percents: Option<Vec<_>> = found_on_all
        .iter()
        .map(|found| {
            let coupon = found
                .coupon
                .filter(|coupon| coupon.applies_to.as_deref() == Some("[]") && !found.is_once())?;
            let percent = coupon.percent_off.clone()?;
            Some(Off::Percent { percent })
        })
        .collect();
    let cost = match list {
        Cost::List { prices, .. } => Cost::List {
            before_discount: !prices.first().is_some_and(is_in_other_currency),
            prices,
        },
        other => other,
    };
    let discount = Discount {
        always: percents.unwrap_or_default(),
        until: found.iter().filter_map(|found| found.ends_at).min(),
        ..Discount::default()
    };
    (cost, Some(discount))
}

fn is_in_other_currency(price: &ListPrice) -> bool {
    matches!(price.amount, Amount::BilledIn { .. })
}

impl CardRows {
    /// The price of an item, if it is the one that was subscribed to. A new price can reuse the id of a deleted one, so the creation
    /// times are compared.
    pub fn price(&self, item: &SubscriptionItem) -> Option<&Price> {
        let price = self.prices.get(item.price_id.as_deref()?)?;
        let is_it = match (item.price_created, price.created) {
            (Some(made), known) if made > 0 && known > 0 => made == known,
            _ => true,
        };
        is_it.then_some(price)
    }
}

#[cfg(test)]
mod tests;
