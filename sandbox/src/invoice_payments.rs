//! Invoice payments: which payment intent pays which invoice.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use super::{
    error::Answer,
    listing::{Fields, Page, list},
    params::Params,
    state::Shared,
};

/// What the invoice asks for, not paid yet.
pub fn build(id: &str, invoice: &Value, intent: &Value, created: i64) -> Value {
    json!({
        "id": id,
        "object": "invoice_payment",
        "amount_paid": null,
        "amount_requested": invoice["amount_remaining"],
        "created": created,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": true,
        "livemode": false,
        "payment": { "payment_intent": intent["id"], "type": "payment_intent" },
        "status": "open",
        "status_transitions": { "canceled_at": null, "paid_at": null },
    })
}

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
