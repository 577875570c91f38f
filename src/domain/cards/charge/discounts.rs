//! Which discounts apply to the next charge.

use time::{Date, Month, OffsetDateTime};

use super::super::{CardRows, ids_in};
use crate::store::mirror::{Coupon, Discount};

/// A discount that applies to the next charge, with its coupon where that is known.
pub struct Found<'a> {
    pub coupon: Option<&'a Coupon>,
    pub ends_at: Option<i64>,
}

impl Found<'_> {
    pub fn is_once(&self) -> bool {
        self.coupon
            .is_some_and(|coupon| coupon.duration.as_deref() == Some("once"))
    }
}

pub struct Discounts<'a> {
    pub shelf: &'a CardRows,
    /// Discounts that end at or before this time do not apply.
    pub at: i64,
}

impl<'a> Discounts<'a> {
    /// The discounts of a JSON list of ids, and those that an event of their own, newer than the list, put on the object.
    pub fn named(&self, ids: Option<&str>, is_on: impl Fn(&Discount) -> bool) -> Vec<Found<'a>> {
        let mut ids = ids_in(ids);
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
                // A coupon created after the discount started is a different one that reuses the id of a deleted coupon.
                let coupon = coupon.filter(|coupon| coupon.created <= row.starts_at);
                let ends_at = row.ends_at.or_else(|| end_of(row.starts_at, coupon?));
                let is_over = row.deleted_at.is_some() || ends_at.is_some_and(|end| end <= self.at);
                (!is_over).then_some(Found { coupon, ends_at })
            })
            .collect()
    }
}

/// The end of a discount that does not carry one, computed from its coupon.
pub fn end_of(starts_at: i64, coupon: &Coupon) -> Option<i64> {
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
