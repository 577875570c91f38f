//! The discount of a customer. Since endive it is given elsewhere; programs of older versions name
//! a coupon when they create or change a customer.

use serde_json::{Value, json};

use super::super::{error::ApiError, events::Cause, ids, params::Params, state::State};

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
    let after = json!({
        "id": ids::long("di_"),
        "object": "discount",
        "checkout_session": null,
        "customer": customer["id"],
        "customer_account": null,
        "end": null,
        "invoice": null,
        "invoice_item": null,
        "promotion_code": null,
        "source": { "coupon": coupon["id"], "type": "coupon" },
        "start": cause.at,
        "subscription": null,
        "subscription_item": null,
    });
    if before.is_null() {
        state.emit(cause, "customer.discount.created", &after);
    } else {
        state.emit_update(cause, "customer.discount.updated", &before, &after);
    }
    customer["discount"] = after;
    Ok(())
}
