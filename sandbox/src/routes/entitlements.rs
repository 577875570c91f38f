//! Entitlements: list.

use axum::{Json, extract::State as Shelf};

use crate::{
    objects::entitlements::of_customer,
    state::Shared,
    wire::{
        error::Answer,
        listing::{Page, list, part},
        params::Params,
    },
};

/// `GET /v1/entitlements/active_entitlements?customer=…`
pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::from(&mut params)?;
    let customer = params.required("customer")?;
    params.finish()?;
    let state = app.read();
    state.named_customer(&customer)?;
    let rows = of_customer(&state, &customer);
    let (data, more) = part(&rows, &page, "active entitlement")?;
    Ok(Json(list(
        "/v1/entitlements/active_entitlements",
        data,
        more,
    )))
}
