//! What a subscription is charged next: its prices, and what discounts take off.

use time::{Date, Month, OffsetDateTime};

use super::{super::money, Shelf};
use crate::store::{
    customer::Customer,
    mirror::{Coupon, Discount, Price, Subscription, SubscriptionItem},
};

/// What a card says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Empty where a part of it is not known: a part must not be taken for the whole.
    pub price: String,
    pub discount: Option<String>,
    /// When a discount ends.
    pub until: Option<i64>,
}

/// `next` is when it is charged next, as far as that is known.
pub fn of(
    shelf: &Shelf,
    customer: &Customer,
    row: &Subscription,
    items: &[&SubscriptionItem],
    next: Option<i64>,
    now: i64,
) -> Charge {
    let currency = row.presentment_currency.as_ref().or(row.currency.as_ref());
    let currency = currency.map(String::as_str);
    // Nothing is charged for none of it, but where a tier has a fee of its own, or usage is counted.
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
    let tax = plus_tax(shelf, row, &charged);
    let list = list(shelf, row, &charged, currency);
    let discounts = Discounts {
        shelf,
        at: next.unwrap_or(now).max(now),
    };
    let of_items: Vec<_> = charged
        .iter()
        .map(|item| {
            let is_on = |discount: &Discount| {
                discount.item_id.is_some()
                    && discount.item_id == item.id
                    && discount.stripe_at >= row.stripe_at
            };
            discounts.named(item.discounts.as_deref(), is_on)
        })
        .collect();
    let has_own = of_items.iter().any(|all| !all.is_empty());
    let is_on = |discount: &Discount| {
        discount.item_id.is_none()
            && discount.subscription_id.as_ref() == Some(&row.id)
            && discount.stripe_at >= row.stripe_at
    };
    let mut of_all = discounts.named(row.discounts.as_deref(), is_on);
    // Stripe inherits the customer's where the subscription has none.
    let is_inherited = of_all.is_empty();
    if is_inherited {
        let is_on = |discount: &Discount| {
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
            price: with_tax(list, tax),
            ..Charge::default()
        };
    }
    // Whether the customer's comes on top of those of items is nowhere said.
    let is_unclear = is_inherited && has_own && !of_all.is_empty();
    let lines = lines(shelf, &charged, currency).filter(|_| !is_unclear && row.is_cut == 0);
    let is_only_thing = !is_inherited || shelf.shown(customer).len() == 1;
    let bill = lines.and_then(|lines| Bill::make(lines, &of_items, &of_all, is_only_thing));
    let charge = match bill {
        Some(bill) => bill.in_words(&charged, shelf, currency.unwrap_or_default()),
        None => before(list, &found, charged.len() == 1 && !is_unclear),
    };
    Charge {
        price: with_tax(charge.price, tax),
        ..charge
    }
}

/// Whether tax comes on top of what the prices say.
fn plus_tax(shelf: &Shelf, row: &Subscription, items: &[&SubscriptionItem]) -> bool {
    let excludes_it = |item: &&SubscriptionItem| {
        let price = shelf.price(item);
        price.is_some_and(|price| price.tax_behavior.as_deref() == Some("exclusive"))
    };
    row.exclusive_tax != 0 || row.automatic_tax != 0 && items.iter().any(excludes_it)
}

fn with_tax(price: String, is_added: bool) -> String {
    match is_added && !price.is_empty() {
        true => format!("{price} plus tax"),
        false => price,
    }
}

fn is_per_unit(price: &Price) -> bool {
    price.billing_scheme.as_deref() != Some("tiered")
        && price.usage_type.as_deref() != Some("metered")
}

/// `€10.00 / month + €5.00 / month`
fn list(
    shelf: &Shelf,
    row: &Subscription,
    items: &[&SubscriptionItem],
    currency: Option<&str>,
) -> String {
    if row.is_cut != 0 {
        return String::new();
    }
    let prices: Option<Vec<_>> = items
        .iter()
        .map(|item| {
            let price = shelf.price(item)?;
            let text = money::price(price, currency, item.quantity);
            (!text.is_empty()).then_some(text)
        })
        .collect();
    prices.unwrap_or_default().join(" + ")
}

/// A discount that counts for the next charge, with its coupon where that is known.
struct Found<'a> {
    coupon: Option<&'a Coupon>,
    ends_at: Option<i64>,
}

impl Found<'_> {
    fn is_once(&self) -> bool {
        self.coupon
            .is_some_and(|coupon| coupon.duration.as_deref() == Some("once"))
    }
}

struct Discounts<'a> {
    shelf: &'a Shelf,
    /// Discounts that end until then do not count.
    at: i64,
}

impl<'a> Discounts<'a> {
    /// Those of a JSON list of ids, and those that are on the object by an event of their own that is newer
    /// than the list.
    fn named(&self, ids: Option<&str>, is_on: impl Fn(&Discount) -> bool) -> Vec<Found<'a>> {
        let mut ids = super::ids_in(ids);
        let told = self.shelf.told_discounts.iter().filter(|row| is_on(row));
        for row in told {
            if !ids.contains(&row.id) {
                ids.push(row.id.clone());
            }
        }
        ids.iter()
            .filter(|id| !self.shelf.over.contains(*id))
            .filter_map(|id| {
                let Some(row) = self.shelf.discounts.get(id) else {
                    return Some(Found {
                        coupon: None,
                        ends_at: None,
                    });
                };
                let coupon = row.coupon_id.as_ref();
                let coupon = coupon.and_then(|id| self.shelf.coupons.get(id));
                // One that was made later is another, with the id of one that was deleted.
                let coupon = coupon.filter(|coupon| coupon.created <= row.starts_at);
                let ends_at = row.ends_at.or_else(|| end_of(row.starts_at, coupon?));
                let is_over = row.deleted_at.is_some() || ends_at.is_some_and(|end| end <= self.at);
                (!is_over).then_some(Found { coupon, ends_at })
            })
            .collect()
    }
}

/// Minor units. No sum of such amounts overflows.
const LARGEST: i64 = 1_000_000_000_000_000;

/// When a discount ends that does not say so itself.
fn end_of(starts_at: i64, coupon: &Coupon) -> Option<i64> {
    let months = coupon.duration_in_months?;
    if coupon.duration.as_deref() != Some("repeating") {
        return None;
    }
    let start = OffsetDateTime::from_unix_timestamp(starts_at).ok()?;
    let months = i64::from(u8::from(start.month())) - 1 + months;
    let year = i32::try_from(i64::from(start.year()) + months.div_euclid(12)).ok()?;
    let month = Month::try_from(u8::try_from(months.rem_euclid(12) + 1).ok()?).ok()?;
    let day = start.day().min(month.length(year));
    let end = Date::from_calendar_date(year, month, day).ok()?;
    Some(start.replace_date(end).unix_timestamp())
}

/// An item whose amount is known to the minor unit.
struct Line {
    product: Option<String>,
    currency: String,
    full: i64,
}

/// All items, where they are charged together and the amount of each is known.
fn lines(shelf: &Shelf, items: &[&SubscriptionItem], currency: Option<&str>) -> Option<Vec<Line>> {
    let first = shelf.price(items.first()?)?;
    let rhythm = |price: &Price| (price.interval.clone(), price.interval_count.unwrap_or(1));
    items
        .iter()
        .map(|item| {
            let price = shelf.price(item)?;
            let own = price.currency.clone()?;
            let is_plain = is_per_unit(price)
                && currency.is_none_or(|currency| currency == own)
                && rhythm(price) == rhythm(first)
                && price.currency == first.currency;
            let count = money::units(price, item.quantity.unwrap_or(1));
            let full = price.unit_amount?.checked_mul(count)?;
            let is_plain = is_plain && (0..LARGEST).contains(&full);
            is_plain.then(|| Line {
                product: price.product_id.clone().or(item.product_id.clone()),
                currency: own,
                full,
            })
        })
        .collect()
}

/// What is charged for the lines together, in minor units.
struct Bill {
    /// Before discounts, of what those that always count are on.
    full: i64,
    next: i64,
    /// After the next, when discounts for one payment have been used.
    later: i64,
    /// The lines that a discount which always counts is on.
    discounted: Vec<usize>,
    /// What the discounts that count take off, in words.
    always: Vec<String>,
    once: Vec<String>,
    until: Option<i64>,
}

impl Bill {
    /// `None` where what a discount takes off cannot be told. `is_only_thing` says that those of all are on
    /// nothing but these lines. Those of items come first
    /// (<https://docs.stripe.com/api/subscriptions/object#subscription_object-discounts>).
    fn make(
        lines: Vec<Line>,
        of_items: &[Vec<Found<'_>>],
        of_all: &[Found<'_>],
        is_only_thing: bool,
    ) -> Option<Bill> {
        let mut bill = Bill {
            full: 0,
            discounted: Vec::new(),
            next: 0,
            later: 0,
            always: Vec::new(),
            once: Vec::new(),
            until: None,
        };
        let mut next: Vec<_> = lines.iter().map(|line| line.full).collect();
        let mut later = next.clone();
        for (index, found) in of_items.iter().enumerate() {
            for found in found {
                bill.take(found, &lines, &[index], &mut next, &mut later)?;
            }
        }
        let every: Vec<_> = (0..lines.len()).collect();
        for found in of_all {
            // A coupon of which nobody has said what it is restricted to was meant for the only thing
            // that it is on.
            let is_meant = lines.len() == 1 && is_only_thing;
            let is_known = found.coupon?.applies_to.is_some();
            if !is_known && !is_meant {
                return None;
            }
            bill.take(found, &lines, &every, &mut next, &mut later)?;
        }
        let is_discounted = |index: &usize| bill.discounted.contains(index);
        let full = every.iter().filter(|index| is_discounted(index));
        bill.full = full
            .filter_map(|index| lines.get(*index))
            .map(|line| line.full)
            .sum();
        bill.next = next.iter().sum();
        bill.later = later.iter().sum();
        Some(bill)
    }

    /// Takes a discount off those of the lines that it applies to.
    fn take(
        &mut self,
        found: &Found<'_>,
        lines: &[Line],
        on: &[usize],
        next: &mut [i64],
        later: &mut [i64],
    ) -> Option<()> {
        let coupon = found.coupon?;
        let products = super::ids_in(coupon.applies_to.as_deref());
        let on: Vec<_> = on
            .iter()
            .copied()
            .filter(|index| {
                let product = lines.get(*index).and_then(|line| line.product.as_ref());
                products.is_empty() || product.is_some_and(|id| products.contains(id))
            })
            .collect();
        let Some(currency) = on.first().and_then(|index| lines.get(*index)) else {
            return Some(());
        };
        let words = off(coupon, &currency.currency, &on, next)?;
        if found.is_once() {
            self.once.push(words);
        } else {
            off(coupon, &currency.currency, &on, later)?;
            self.always.push(words);
            self.discounted.extend(on);
        }
        self.until = [self.until, found.ends_at].into_iter().flatten().min();
        Some(())
    }

    fn in_words(&self, items: &[&SubscriptionItem], shelf: &Shelf, currency: &str) -> Charge {
        let price = items.first().and_then(|item| shelf.price(item));
        let currency = price
            .and_then(|price| price.currency.as_deref())
            .unwrap_or(currency);
        let interval = price.map(money::interval).unwrap_or_default();
        let amount = |minor| money::amount(minor, currency);
        let then = match self.once.is_empty() {
            true => String::new(),
            false => format!(", then {}", amount(self.later)),
        };
        let always = (!self.always.is_empty())
            .then(|| format!("{} off {}", self.always.join(" and "), amount(self.full)));
        let once = (!self.once.is_empty())
            .then(|| format!("{} off the next payment", self.once.join(" and ")));
        let parts: Vec<_> = always.into_iter().chain(once).collect();
        Charge {
            price: format!("{}{then}{interval}", amount(self.next)),
            discount: (!parts.is_empty()).then(|| format!("Discount: {}", parts.join(", and "))),
            until: self.until,
        }
    }
}

/// Takes a coupon off the amounts at these places, and says how much it is: `50%` or `€5.00`.
fn off(coupon: &Coupon, currency: &str, on: &[usize], amounts: &mut [i64]) -> Option<String> {
    if let Some(percent) = &coupon.percent_off {
        let millionths = millionths(percent)?;
        let sum: i64 = on.iter().filter_map(|index| amounts.get(*index)).sum();
        let mut taken = 0;
        for index in on {
            let amount = amounts.get_mut(*index)?;
            let part = part(*amount, millionths)?;
            *amount -= part;
            taken += part;
        }
        // Whether Stripe rounds each line or the sum is nowhere said. Of some currencies it charges
        // whole units alone.
        if taken != part(sum, millionths)? || !money::is_charged(sum - taken, currency) {
            return None;
        }
        return Some(format!("{percent}%"));
    }
    let whole = amount_off(coupon, currency)?;
    // How Stripe parts it among several lines is nowhere said, and matters to what comes after it.
    let [index] = on else {
        return None;
    };
    let amount = amounts.get_mut(*index)?;
    *amount -= whole.min(*amount).max(0);
    Some(money::amount(whole, currency))
}

fn amount_off(coupon: &Coupon, currency: &str) -> Option<i64> {
    if coupon.currency.as_deref() == Some(currency) {
        return coupon.amount_off;
    }
    let options: serde_json::Value =
        serde_json::from_str(coupon.currency_options.as_deref()?).ok()?;
    options.get(currency)?.get("amount_off")?.as_i64()
}

/// A percentage such as `12.5`, in millionths of the whole.
fn millionths(percent: &str) -> Option<i64> {
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, ""));
    let padded = format!("{:0<4}", decimals.get(..decimals.len().min(4))?);
    let parts: (i64, i64) = (whole.parse().ok()?, padded.parse().ok()?);
    let millionths = parts.0.checked_mul(10_000)?.checked_add(parts.1)?;
    (0..=1_000_000).contains(&millionths).then_some(millionths)
}

/// Rounded to the nearest minor unit, half up.
fn part(amount: i64, millionths: i64) -> Option<i64> {
    let part = (i128::from(amount) * i128::from(millionths) + 500_000) / 1_000_000;
    i64::try_from(part).ok()
}

/// Where the amount after the discounts cannot be told. `is_all` says that each is on all there is.
fn before(list: String, found: &[&Found<'_>], is_all: bool) -> Charge {
    let found_on_all = if is_all { found } else { &[] };
    let percents: Option<Vec<_>> = found_on_all
        .iter()
        .map(|found| {
            let coupon = found
                .coupon
                .filter(|coupon| coupon.applies_to.as_deref() == Some("[]") && !found.is_once())?;
            Some(format!("{}%", coupon.percent_off.as_ref()?))
        })
        .collect();
    let is_amount = !list.is_empty() && !list.starts_with(money::BILLED_IN);
    Charge {
        price: match is_amount {
            true => format!("{list} before discount"),
            false => list,
        },
        discount: Some(match percents {
            Some(percents) if is_all => format!("Discount: {}", percents.join(" and ")),
            _ => "A discount applies".to_owned(),
        }),
        until: found.iter().filter_map(|found| found.ends_at).min(),
    }
}

impl Shelf {
    /// The price of an item, if it is the one that was subscribed to: one that was made anew with the id of
    /// a deleted one is another.
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
