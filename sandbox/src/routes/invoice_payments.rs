//! Invoice payments: which payment intent pays which invoice.

use axum::extract::{Path, State as Shelf};
use serde_json::Value;

use crate::{
    routes::read::{Kind, whole},
    state::Shared,
    wire::{error::Answer, listing::Fields, params::Params},
};

const KIND: Kind = Kind {
    noun: "invoice_payment",
    url: "/v1/invoice_payments",
    table: |state| &state.invoice_payments,
    dated: true,
};

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, whole)
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
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
    let wanted =
        |row: &Value| fields.hold(row) && payment.as_ref().is_none_or(|payment| payment.hold(row));
    KIND.list(&app, params, wanted, whole)
}
