//! Entitlements: list.

use axum::extract::State as Shelf;

use crate::{
    objects::entitlements::of_customer,
    routes::read::list_part,
    state::Shared,
    wire::{error::Answer, params::Params},
};

/// `GET /v1/entitlements/active_entitlements?customer=…`
pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    let (noun, url) = ("active entitlement", "/v1/entitlements/active_entitlements");
    list_part(&app, params, noun, url, |state| {
        state.named_customer(&customer)?;
        Ok(of_customer(state, &customer))
    })
}
