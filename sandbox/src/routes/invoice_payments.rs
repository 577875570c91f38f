//! Invoice payments: which payment intent pays which invoice.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};

use crate::{
    state::Shared,
    wire::{
        error::Answer,
        listing::{Fields, Page, list},
        params::Params,
    },
};

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let state = app.read();
    Ok(Json(
        state.invoice_payments.find("invoice_payment", &id)?.clone(),
    ))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::dated(&mut params)?;
    let fields = Fields::from(
        &mut params,
        &[("invoice", "/invoice"), ("status", "/status")],
    )?;
    let payment = params.group("payment")?.map(|mut payment| {
        payment.ignore(&["type"]);
        let read = Fields::from(
            &mut payment,
            &[("payment_intent", "/payment/payment_intent")],
        )?;
        payment.finish().map(|()| read)
    });
    let payment = payment.transpose()?;
    params.finish()?;
    let state = app.read();
    let (data, more) = state
        .invoice_payments
        .page(&page, "invoice_payment", |row| {
            fields.hold(row) && payment.as_ref().is_none_or(|payment| payment.hold(row))
        })?;
    Ok(Json(list("/v1/invoice_payments", data, more)))
}
