//! What the API does to an invoice on its way: finalize, pay, send, void, give up.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    objects::{
        billing,
        events::Cause,
        invoice_items,
        payment_methods::{self, missing_method},
    },
    routes::Because,
    shapes::cards::{self, Charge},
    state::{Shared, State},
    wire::{
        error::{Answer, ApiError},
        json::cut,
        params::Params,
    },
};

/// The invoice, if it is in one of these states.
fn expect(state: &State, id: &str, verb: &str, states: &[&str]) -> Result<Value, ApiError> {
    let invoice = state.invoices.find("invoice", id)?;
    let status = invoice["status"].as_str().unwrap_or_default();
    if states.contains(&status) {
        return Ok(invoice.clone());
    }
    let code = if status == "draft" {
        "invoice_not_editable"
    } else {
        "invoice_already_finalized"
    };
    Err(ApiError::invalid(
        "id",
        format!("You can not {verb} this invoice because its status is {status}."),
    )
    .code(code))
}

fn answer(state: &State, id: &str) -> Answer {
    Ok(Json(cut(state.invoices.find("invoice", id)?.clone())))
}

pub async fn finalize(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    params.ignore(&["auto_advance"]);
    params.finish()?;
    let mut state = app.write();
    expect(&state, &id, "finalize", &["draft"])?;
    billing::finalize(&mut state, &because, &id);
    answer(&state, &id)
}

pub async fn pay(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let method = params.text("payment_method")?;
    let elsewhere = params.flag("paid_out_of_band")?.unwrap_or(false);
    params.ignore(&["forgive", "mandate", "off_session"]);
    params.finish()?;
    let mut state = app.write();
    let invoice = expect(&state, &id, "pay", &["draft", "open", "uncollectible"])?;
    let customer = invoice["customer"].as_str().unwrap_or_default();
    let method = match method {
        Some(name) => Some(payment_methods::resolve(&state, &name)?),
        None => state.payment_method_for(&invoice, customer),
    };
    if elsewhere {
        let nothing = Value::Null;
        charge(&mut state, &because, &invoice, &nothing, Charge::Succeeds)?;
        return answer(&state, &id);
    }
    let method = method.ok_or_else(missing_method)?;
    let outcome = cards::charge(&method);
    charge(&mut state, &because, &invoice, &method, outcome)?;
    answer(&state, &id)
}

/// Finalizes if need be, then collects. What fails is stored and told, and refused.
fn charge(
    state: &mut State,
    cause: &Cause,
    invoice: &Value,
    method: &Value,
    outcome: Charge,
) -> Result<(), ApiError> {
    let id = invoice["id"].as_str().unwrap_or_default();
    if invoice["status"] == "draft" {
        billing::finalize(state, cause, id);
    }
    if invoice["amount_due"] == 0 {
        return Ok(());
    }
    let intent = billing::collect(state, cause, id, method, outcome);
    match outcome {
        Charge::Succeeds | Charge::Pends => Ok(()),
        Charge::Declined | Charge::DeclinedLater => Err(payment_methods::declined(
            json!({ "payment_intent": intent }),
        )),
        Charge::NeedsOwner => Err(ApiError::card(
            "invoice_payment_intent_requires_action",
            "Payment for this invoice requires additional user action before it can be completed \
             successfully.",
            json!({ "payment_intent": intent }),
        )),
    }
}

/// The mail is not written; the event is told.
pub async fn send(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let invoice = expect(&state, &id, "send", &["draft", "open"])?;
    if invoice["collection_method"] != "send_invoice" {
        return Err(ApiError::invalid(
            "id",
            "You can only manually send an invoice if its collection method is 'send_invoice'.",
        ));
    }
    if invoice["status"] == "draft" {
        billing::finalize(&mut state, &because, &id);
    }
    let invoice = state.invoices.find("invoice", &id)?.clone();
    state.emit(&because, "invoice.sent", &invoice);
    answer(&state, &id)
}

pub async fn void(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let invoice = expect(&state, &id, "void", &["open", "uncollectible"])?;
    billing::give_up(&mut state, &because, &id);
    close(
        &mut state,
        &because,
        invoice,
        "void",
        "voided_at",
        "invoice.voided",
    );
    answer(&state, &id)
}

pub async fn mark_uncollectible(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let invoice = expect(&state, &id, "mark as uncollectible", &["open"])?;
    let (at, told) = ("marked_uncollectible_at", "invoice.marked_uncollectible");
    close(&mut state, &because, invoice, "uncollectible", at, told);
    answer(&state, &id)
}

fn close(state: &mut State, cause: &Cause, mut invoice: Value, status: &str, at: &str, told: &str) {
    invoice["status"] = json!(status);
    invoice["auto_advance"] = json!(false);
    invoice["next_payment_attempt"] = Value::Null;
    invoice["status_transitions"][at] = json!(cause.at);
    state.emit(cause, told, &invoice);
    state.invoices.put(invoice);
}

/// Only a draft can go.
pub async fn delete(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let invoice = expect(&state, &id, "delete", &["draft"])?;
    invoice_items::drop_all_of(&mut state, &because, &id);
    state.emit(&because, "invoice.deleted", &invoice);
    state.invoices.remove(&id);
    Ok(Json(
        json!({ "id": id, "object": "invoice", "deleted": true }),
    ))
}
