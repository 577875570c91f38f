//! Cards of the kind that was before payment methods. Nothing here is paid with them.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::Value;

use crate::{
    routes::{
        Because,
        read::{Kind, whole},
    },
    shapes::{cards::find, sources::build},
    state::{Shared, State},
    wire::{
        error::{Answer, ApiError},
        params::{Params, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "source",
    url: "",
    table: |state| &state.sources,
    dated: false,
};

/// The card that a token stands for, as the customer's.
pub fn resolve(token: &str, customer: &str) -> Result<Value, ApiError> {
    find(token)
        .map(|card| build(card, customer))
        .ok_or_else(|| ApiError::no_such_param("source", "token", token))
}

pub async fn create(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let token = params.required("source")?;
    params.finish()?;
    let mut state = app.write();
    let mut customer = state
        .customer(&id)
        .ok_or_else(|| ApiError::no_such("customer", &id))?;
    let card = resolve(&token, &id)?;
    state.emit(&because, "customer.source.created", &card);
    state.sources.put(card.clone());
    if customer["default_source"].is_null() {
        customer["default_source"] = card["id"].clone();
        state.update_customer(&because, customer);
    }
    Ok(Json(card))
}

fn theirs(state: &State, customer: &str, id: &str) -> Result<Value, ApiError> {
    let card = state.sources.find("source", id)?;
    if card["customer"] != *customer {
        return Err(ApiError::no_such("source", id));
    }
    Ok(card.clone())
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path((customer, id)): Path<(String, String)>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let before = theirs(&state, &customer, &id)?;
    let mut card = before.clone();
    if let Some(name) = params.text("name")? {
        card["name"] = nullable(name);
    }
    params.metadata(&mut card["metadata"])?;
    params.finish()?;
    state.emit_update(&because, "customer.source.updated", &before, &card);
    state.sources.put(card.clone());
    Ok(Json(card))
}

pub async fn retrieve(
    Shelf(app): Shelf<Shared>,
    Path((customer, id)): Path<(String, String)>,
    params: Params,
) -> Answer {
    params.finish()?;
    Ok(Json(theirs(&app.read(), &customer, &id)?))
}

pub async fn all(Shelf(app): Shelf<Shared>, Path(id): Path<String>, mut params: Params) -> Answer {
    params.ignore(&["object"]);
    let url = format!("/v1/customers/{id}/sources");
    let of_customer = |card: &Value| card["customer"] == *id;
    KIND.list_below(&app, params, &url, |_| Ok(()), of_customer, whole)
}
