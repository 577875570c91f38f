//! Setup intents: a payment method is made ready for later, and nothing is paid.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    objects::{events::Cause, payment_methods},
    routes::{
        Because,
        payment_intents::fields::refuse_types,
        read::{Kind, whole},
    },
    shapes::{
        cards::{self, Charge},
        setup_intents::{attempt, build},
    },
    state::{Shared, State},
    wire::{
        error::{Answer, ApiError},
        listing::Fields,
        params::{Params, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "setup_intent",
    url: "/v1/setup_intents",
    table: |state| &state.setup_intents,
    dated: true,
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let customer = params.text("customer")?;
    let mut intent = build(&json!(customer), because.at);
    refuse_types(&because, &mut params)?;
    intent["description"] = nullable(params.text("description")?.unwrap_or_default());
    params.metadata(&mut intent["metadata"])?;
    if let Some(usage) = params.choice("usage", &["off_session", "on_session"])? {
        intent["usage"] = json!(usage);
    }
    let method = params.text("payment_method")?;
    let confirm = params.flag("confirm")?.unwrap_or(false);
    params.ignore(&[
        "automatic_payment_methods",
        "return_url",
        "payment_method_options",
    ]);
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
        intent["status"] = json!("requires_confirmation");
    }
    state.emit(&because, "setup_intent.created", &intent);
    state.setup_intents.put(intent.clone());
    if confirm {
        intent = carry_out(&mut state, &because, intent, method)?;
    }
    Ok(Json(intent))
}

/// What the bank refuses is stored and told, and refused. What it takes belongs to the customer.
fn carry_out(
    state: &mut State,
    cause: &Cause,
    mut intent: Value,
    method: Option<Value>,
) -> Result<Value, ApiError> {
    let method = method.ok_or_else(|| {
        ApiError::invalid(
            "payment_method",
            "You cannot confirm this SetupIntent because it's missing a payment method.",
        )
        .code("setup_intent_unexpected_state")
    })?;
    let outcome = cards::charge(&method);
    let told = attempt(&mut intent, &method, outcome);
    state.emit(cause, told, &intent);
    state.setup_intents.put(intent.clone());
    if outcome == Charge::Declined {
        return Err(payment_methods::declined(json!({ "setup_intent": intent })));
    }
    match intent["customer"]
        .as_str()
        .and_then(|id| state.customer(id))
    {
        Some(customer) if method["customer"].is_null() => {
            payment_methods::attach(state, cause, method, &customer);
        }
        _ => state.payment_methods.put(method),
    }
    Ok(intent)
}

pub async fn cancel(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let reasons = ["abandoned", "duplicate", "requested_by_customer"];
    let reason = params.choice("cancellation_reason", &reasons)?;
    params.finish()?;
    let mut state = app.write();
    let mut intent = state.setup_intents.find("setup_intent", &id)?.clone();
    if ["canceled", "succeeded"].contains(&intent["status"].as_str().unwrap_or_default()) {
        return Err(ApiError::invalid(
            "",
            "You cannot cancel this SetupIntent because of its status.",
        )
        .code("setup_intent_unexpected_state"));
    }
    intent["status"] = json!("canceled");
    intent["cancellation_reason"] = json!(reason);
    state.emit(&because, "setup_intent.canceled", &intent);
    state.setup_intents.put(intent.clone());
    Ok(Json(intent))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, whole)
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let fields = Fields::from(
        &mut params,
        &[
            ("customer", "/customer"),
            ("payment_method", "/payment_method"),
        ],
    )?;
    KIND.list(&app, params, |intent| fields.hold(intent), whole)
}
