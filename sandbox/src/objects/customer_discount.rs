//! The discount of a customer. Since endive it is given elsewhere; programs of older versions name
//! a coupon when they create or change a customer.

use serde_json::Value;

use crate::{
    objects::events::Cause,
    shapes::discounts,
    state::State,
    wire::{error::ApiError, ids, params::Params},
};

/// The coupon that the request names; an empty text takes the discount away.
pub fn read(cause: &Cause, params: &mut Params) -> Result<Option<String>, ApiError> {
    if cause.is_endive() {
        return Ok(None);
    }
    params.text("coupon")
}

/// Sets the discount of a customer that is about to be stored, and tells of it.
pub fn set(
    state: &mut State,
    cause: &Cause,
    customer: &mut Value,
    coupon: Option<String>,
) -> Result<(), ApiError> {
    let Some(coupon) = coupon else {
        return Ok(());
    };
    let before = customer["discount"].take();
    if coupon.is_empty() {
        if !before.is_null() {
            state.emit(cause, "customer.discount.deleted", &before);
        }
        return Ok(());
    }
    let coupon = state.coupons.named("coupon", "coupon", &coupon)?;
    let mut discount = discounts::build(&ids::long("di_"), coupon, cause.at);
    discount["customer"] = customer["id"].clone();
    let after = discounts::shown(discount.clone());
    state.discounts.put(discount);
    if before.is_null() {
        state.emit(cause, "customer.discount.created", &after);
    } else {
        state.emit_update(cause, "customer.discount.updated", &before, &after);
    }
    customer["discount"] = after;
    Ok(())
}
