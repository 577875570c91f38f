//! Payment intents: those of invoices, and those that a shop makes itself.

pub mod fields;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    objects::{events::Cause, payment_methods},
    routes::{
        Because,
        payment_intents::fields::{apply, ignore_details, refuse_types},
        prices::fields::currency,
        read::{Kind, whole},
    },
    shapes::{
        cards::{self, Charge},
        payment_intents::{attempt, build},
    },
    state::{Shared, State},
    wire::{
        error::{Answer, ApiError},
        ids,
        listing::Fields,
        params::{Params, first},
    },
};

const KIND: Kind = Kind {
    noun: "payment_intent",
    url: "/v1/payment_intents",
    table: |state| &state.payment_intents,
    dated: true,
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let amount = params
        .integer("amount")?
        .ok_or_else(|| ApiError::missing("amount"))?;
    if amount < 1 {
        return Err(
            ApiError::invalid("amount", "This value must be greater than or equal to 1.")
                .code("parameter_invalid_integer"),
        );
    }
    let currency = currency(&mut params)?;
    let customer = params.text("customer")?;
    let mut intent = build(
        &ids::long("pi_"),
        amount,
        &json!(currency),
        &json!(customer),
        because.at,
    );
    refuse_types(&because, &mut params)?;
    apply(&mut intent, &mut params)?;
    if let Some(word) = params.choice(
        "capture_method",
        &["automatic", "automatic_async", "manual"],
    )? {
        intent["capture_method"] = json!(word);
    }
    if let Some(word) = params.choice("confirmation_method", &["automatic", "manual"])? {
        intent["confirmation_method"] = json!(word);
    }
    let method = params.text("payment_method")?;
    let confirm = params.flag("confirm")?.unwrap_or(false);
    ignore_details(&mut params);
    params.finish()?;

    let mut state = app.write();
    if let Some(customer) = &customer {
        state.named_customer(customer)?;
    }
    let method = method
        .map(|name| payment_methods::resolve(&state, &name))
        .transpose()?;
    if let Some(method) = &method {
        intent["payment_method"] = method["id"].clone();
        intent["payment_method_types"] = json!([method["type"]]);
        intent["status"] = json!("requires_confirmation");
        state.payment_methods.put(method.clone());
    }
    state.emit(&because, "payment_intent.created", &intent);
    state.payment_intents.put(intent.clone());
    if confirm {
        intent = carry_out(&mut state, &because, intent, method)?;
    }
    Ok(Json(intent))
}

/// Tries to pay. What the bank refuses is stored and told, and refused.
fn carry_out(
    state: &mut State,
    cause: &Cause,
    mut intent: Value,
    method: Option<Value>,
) -> Result<Value, ApiError> {
    let method = method.ok_or_else(|| {
        ApiError::invalid(
            "payment_method",
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
        )
        .code("payment_intent_unexpected_state")
    })?;
    let outcome = cards::charge(&method);
    let told = attempt(&mut intent, &method, outcome);
    state.emit(cause, told, &intent);
    state.payment_intents.put(intent.clone());
    match outcome {
        Charge::Declined | Charge::DeclinedLater => Err(payment_methods::declined(
            json!({ "payment_intent": intent }),
        )),
        _ => Ok(intent),
    }
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut intent = state.payment_intents.find("payment_intent", &id)?.clone();
    apply(&mut intent, &mut params)?;
    params.finish()?;
    state.payment_intents.put(intent.clone());
    Ok(Json(intent))
}

pub async fn confirm(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let name = params.text("payment_method")?;
    ignore_details(&mut params);
    params.finish()?;
    let mut state = app.write();
    let intent = expect(
        &state,
        &id,
        "confirm",
        &[
            "requires_payment_method",
            "requires_confirmation",
            "requires_action",
        ],
    )?;
    let name = name.or_else(|| intent["payment_method"].as_str().map(str::to_owned));
    let method = name
        .map(|name| payment_methods::resolve(&state, &name))
        .transpose()?;
    Ok(Json(carry_out(&mut state, &because, intent, method)?))
}

pub async fn capture(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let amount = params.integer("amount_to_capture")?;
    params.finish()?;
    let mut state = app.write();
    let mut intent = expect(&state, &id, "capture", &["requires_capture"])?;
    let capturable = intent["amount_capturable"].as_i64().unwrap_or_default();
    let amount = amount.unwrap_or(capturable);
    if !(1..=capturable).contains(&amount) {
        return Err(ApiError::invalid(
            "amount_to_capture",
            "The requested capture amount is greater than the amount you can capture.",
        )
        .code("amount_too_large"));
    }
    intent["amount_received"] = json!(amount);
    intent["amount_capturable"] = json!(0);
    intent["status"] = json!("succeeded");
    state.emit(&because, "payment_intent.succeeded", &intent);
    state.payment_intents.put(intent.clone());
    Ok(Json(intent))
}

pub async fn cancel(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let reasons = [
        "abandoned",
        "duplicate",
        "fraudulent",
        "requested_by_customer",
    ];
    let reason = params.choice("cancellation_reason", &reasons)?;
    params.finish()?;
    let mut state = app.write();
    let mut intent = expect(
        &state,
        &id,
        "cancel",
        &[
            "requires_payment_method",
            "requires_confirmation",
            "requires_action",
            "requires_capture",
            "processing",
        ],
    )?;
    intent["status"] = json!("canceled");
    intent["amount_capturable"] = json!(0);
    intent["canceled_at"] = json!(because.at);
    intent["cancellation_reason"] = json!(reason);
    state.emit(&because, "payment_intent.canceled", &intent);
    state.payment_intents.put(intent.clone());
    Ok(Json(intent))
}

/// The intent, if it is in one of these states.
fn expect(state: &State, id: &str, verb: &str, states: &[&str]) -> Result<Value, ApiError> {
    let intent = state.payment_intents.find("payment_intent", id)?;
    let status = intent["status"].as_str().unwrap_or_default();
    if states.contains(&status) {
        return Ok(intent.clone());
    }
    Err(ApiError::invalid(
        "",
        format!(
            "You cannot {verb} this PaymentIntent because it has a status of {}.",
            first(status, 40)
        ),
    )
    .code("payment_intent_unexpected_state"))
}

pub async fn retrieve(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    mut params: Params,
) -> Answer {
    params.ignore(&["client_secret"]);
    KIND.retrieve(&app, &id, params, whole)
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let fields = Fields::from(&mut params, &[("customer", "/customer")])?;
    KIND.list(&app, params, |intent| fields.hold(intent), whole)
}
