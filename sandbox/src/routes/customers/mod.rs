//! Customers: create, retrieve, update, delete, list.

pub mod fields;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::Value;

use crate::{
    objects::{customer_discount, discounts::Wish, payment_methods},
    routes::{Because, customers::fields::apply, read::Kind, sources},
    shapes::customers::{blank, is_deleted, shown},
    state::{Shared, table::Packed},
    wire::{
        error::{Answer, ApiError},
        ids,
        params::Params,
    },
};

const KIND: Kind<Packed> = Kind {
    noun: "customer",
    url: "/v1/customers",
    table: |state| &state.customers,
    dated: true,
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let mut customer = blank(&ids::short("cus_"), because.at);
    apply(&mut customer, &mut params)?;
    let card = params.text("payment_method")?;
    let coupon = customer_discount::read(&because, &mut params)?;
    let source = params
        .text("source")?
        .map(|token| sources::resolve(&token, customer["id"].as_str().unwrap_or_default()))
        .transpose()?;
    params.ignore(&["tax_id_data", "test_clock"]);
    let wish = Wish::from(&params, "discount");
    params.finish()?;
    let mut state = app.write();
    let wanted = customer["invoice_settings"]["default_payment_method"]
        .as_str()
        .map(str::to_owned);
    let card = card
        .map(|name| payment_methods::resolve(&state, &name).map(|card| (name, card)))
        .transpose()?;
    customer["invoice_settings"]["default_payment_method"] = match (&card, wanted) {
        (_, None) => Value::Null,
        (Some((name, card)), Some(wanted)) if *name == wanted => card["id"].clone(),
        (_, Some(wanted)) => return Err(not_attached(&wanted)),
    };
    if let Some((_, card)) = &card {
        payment_methods::check_savable(card)?;
    }
    if let Some(source) = source {
        customer["default_source"] = source["id"].clone();
        state.emit(&because, "customer.source.created", &source);
        state.sources.put(source);
    }
    customer_discount::set(&mut state, &because, &mut customer, coupon)?;
    state.emit(&because, "customer.created", &customer);
    state.customers.put(customer.clone());
    if let Some((_, card)) = card {
        payment_methods::attach(&mut state, &because, card, &customer);
    }
    Ok(Json(wish.show(&state, customer)))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    let wish = Wish::from(&params, "discount");
    KIND.retrieve(&app, &id, params, |state, customer| {
        wish.show(state, shown(customer))
    })
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut customer = state
        .customer(&id)
        .ok_or_else(|| ApiError::no_such("customer", &id))?;
    apply(&mut customer, &mut params)?;
    let coupon = customer_discount::read(&because, &mut params)?;
    params.ignore(&["default_source", "source"]);
    let wish = Wish::from(&params, "discount");
    params.finish()?;
    customer_discount::set(&mut state, &because, &mut customer, coupon)?;
    if let Some(wanted) = customer["invoice_settings"]["default_payment_method"].as_str() {
        let theirs = state
            .payment_methods
            .get(wanted)
            .is_some_and(|card| card["customer"] == *id);
        if !theirs {
            return Err(not_attached(wanted));
        }
    }
    state.update_customer(&because, customer.clone());
    Ok(Json(wish.show(&state, customer)))
}

pub async fn delete(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let stub = app.write().delete_customer(&because, &id);
    stub.map(|stub| Json(shown(stub)))
        .ok_or_else(|| ApiError::no_such("customer", &id))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let email = params.text("email")?;
    params.ignore(&["test_clock"]);
    let wish = Wish::from(&params, "discount");
    let wanted = |customer: &Value| {
        !is_deleted(customer)
            && email
                .as_ref()
                .is_none_or(|email| customer["email"] == **email)
    };
    KIND.list(&app, params, wanted, |state, customer| {
        wish.show(state, customer)
    })
}

fn not_attached(card: &str) -> ApiError {
    ApiError::no_such_param(
        "invoice_settings[default_payment_method]",
        "PaymentMethod",
        card,
    )
}
