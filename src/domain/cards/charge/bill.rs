//! The charge for all items together, after discounts.

use super::{
    super::{
        CardRows,
        card::{Cost, Discount, Off},
        ids_in,
    },
    discounts::Found,
    is_per_unit,
};
use crate::{
    domain::{
        money::{self, Money},
        price::{self, Interval},
    },
    store::mirror::{Coupon, Price, SubscriptionItem},
};

/// In minor units. Sums of amounts up to this size do not overflow.
const LARGEST: i64 = 1_000_000_000_000_000;

/// An item whose amount is known exactly, in minor units.
pub struct Line {
    product: Option<String>,
    currency: String,
    full: i64,
}

/// All items, where they are charged together and every amount is known.
pub fn lines(
    shelf: &CardRows,
    items: &[&SubscriptionItem],
    currency: Option<&str>,
) -> Option<Vec<Line>> {
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
            let count = price::units(price, item.quantity.unwrap_or(1));
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

/// The charge for all lines together, in minor units.
pub struct Bill {
    /// Before discounts: the sum of the lines that permanent discounts apply to.
    full: i64,
    next: i64,
    /// The charge after the next one, when one-time discounts have been used.
    later: i64,
    /// The indexes of the lines that a permanent discount applies to.
    discounted: Vec<usize>,
    /// What the applied discounts take off.
    always: Vec<Off>,
    once: Vec<Off>,
    until: Option<i64>,
}

impl Bill {
    /// `None` where the amount of a discount cannot be determined. `is_only_thing` says that the discounts on the whole subscription
    /// apply to nothing but these lines. Stripe applies item discounts first
    /// (<https://docs.stripe.com/api/subscriptions/object#subscription_object-discounts>).
    pub fn make(
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
            // The coupon's restrictions are not known. With a single line that it can be on, it must apply to that line.
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

    /// Takes a discount off the lines that it applies to.
    fn take(
        &mut self,
        found: &Found<'_>,
        lines: &[Line],
        on: &[usize],
        next: &mut [i64],
        later: &mut [i64],
    ) -> Option<()> {
        let coupon = found.coupon?;
        let products = ids_in(coupon.applies_to.as_deref());
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
        let taken = off(coupon, &currency.currency, &on, next)?;
        if found.is_once() {
            self.once.push(taken);
        } else {
            off(coupon, &currency.currency, &on, later)?;
            self.always.push(taken);
            self.discounted.extend(on);
        }
        self.until = [self.until, found.ends_at].into_iter().flatten().min();
        Some(())
    }

    /// The charge and the discounts in it.
    pub fn result(
        self,
        items: &[&SubscriptionItem],
        shelf: &CardRows,
        currency: &str,
    ) -> (Cost, Option<Discount>) {
        let price = items.first().and_then(|item| shelf.price(item));
        let currency = price
            .and_then(|price| price.currency.as_deref())
            .unwrap_or(currency);
        let money = |minor| Money::new(minor, currency);
        let cost = Cost::Total {
            next: money(self.next),
            then: (!self.once.is_empty()).then(|| money(self.later)),
            interval: price.and_then(Interval::of),
        };
        // A coupon restricted to other products takes nothing off these lines.
        let has_any = !self.always.is_empty() || !self.once.is_empty();
        let discount = has_any.then(|| Discount {
            full: (!self.always.is_empty()).then(|| money(self.full)),
            always: self.always,
            once: self.once,
            until: self.until,
        });
        (cost, discount)
    }
}

/// Takes a coupon off the amounts at these indexes, and returns its size.
fn off(coupon: &Coupon, currency: &str, on: &[usize], amounts: &mut [i64]) -> Option<Off> {
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
        // Stripe does not document whether it rounds each line or the sum. In some currencies it charges only whole units. Where the
        // results differ, the amount is unknown.
        if taken != part(sum, millionths)? || !money::is_charged(sum - taken, currency) {
            return None;
        }
        return Some(Off::Percent {
            percent: percent.clone(),
        });
    }
    let whole = amount_off(coupon, currency)?;
    // Stripe does not document how it splits a fixed amount among several lines, and the split affects later discounts.
    let [index] = on else {
        return None;
    };
    let amount = amounts.get_mut(*index)?;
    *amount -= whole.min(*amount).max(0);
    Some(Off::Amount(Money::new(whole, currency)))
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
