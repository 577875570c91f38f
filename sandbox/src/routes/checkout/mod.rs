//! Checkout sessions: made by a shop, completed on the page that `url` leads to or by order.

pub mod fields;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    objects::{
        checkout::{complete, waiting},
        payment_methods,
    },
    routes::{
        Because,
        checkout::fields::{read, read_line},
        payment_intents::fields::refuse_types,
        read::{Kind, entries, list_part},
    },
    shapes::checkout::{build, shown},
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        listing::Fields,
        params::Params,
    },
};

const KIND: Kind = Kind {
    noun: "checkout.session",
    url: "/v1/checkout/sessions",
    table: |state| &state.checkout_sessions,
    dated: true,
};

const MODES: [&str; 3] = ["payment", "setup", "subscription"];

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let mode = params
        .choice("mode", &MODES)?
        .unwrap_or_else(|| "payment".to_owned());
    refuse_types(&because, &mut params)?;
    let mut asked = read(&mut params, &mode)?;
    let groups = params.groups("line_items")?.unwrap_or_default();
    if groups.is_empty() && mode != "setup" {
        return Err(ApiError::missing("line_items"));
    }
    let currency = params.text("currency")?;
    params.ignore(&[
        "adaptive_pricing",
        "automatic_tax",
        "billing_address_collection",
        "customer_update",
        "payment_method_options",
        "phone_number_collection",
        "submit_type",
        "tax_id_collection",
        "ui_mode",
    ]);
    let mut state = app.write();
    if let Some(customer) = asked["customer"].as_str() {
        state.named_customer(customer)?;
    }
    let lines = groups
        .into_iter()
        .map(|line| read_line(&state, line, &mode))
        .collect::<Result<Vec<_>, _>>()?;
    params.finish()?;
    let recurring = |line: &Value| line["price"]["recurring"].is_object();
    if mode == "subscription" && !lines.iter().any(recurring) {
        return Err(ApiError::invalid(
            "line_items",
            "You must provide at least one recurring price in `subscription` mode when using \
             prices.",
        ));
    }
    let trial = !asked["details"]["subscription_data"]["trial_period_days"].is_null();
    let amount = lines
        .iter()
        .filter(|line| !(trial && recurring(line)))
        .filter_map(|line| line["amount_total"].as_i64())
        .fold(0, i64::saturating_add);
    asked["currency"] = lines
        .first()
        .map_or(json!(currency), |line| line["currency"].clone());
    asked["line_items"] = json!(lines);
    let session = build(&state.base_url, because.at, &mode, amount, asked);
    state.checkout_sessions.put(session.clone());
    Ok(Json(shown(session)))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, |_, session| shown(session))
}

/// `GET /v1/checkout/sessions/{id}/line_items`
pub async fn line_items(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let url = format!("/v1/checkout/sessions/{id}/line_items");
    list_part(&app, params, "item", &url, |state| {
        let session = state.checkout_sessions.find("checkout.session", &id)?;
        Ok(entries(&session["line_items"]))
    })
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let fields = Fields::from(
        &mut params,
        &[
            ("customer", "/customer"),
            ("payment_intent", "/payment_intent"),
            ("status", "/status"),
            ("subscription", "/subscription"),
        ],
    )?;
    let wanted = |session: &Value| fields.hold(session);
    KIND.list(&app, params, wanted, |_, session| shown(session))
}

pub async fn expire(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let mut session = waiting(&state, &id)?;
    session["status"] = json!("expired");
    session["url"] = Value::Null;
    state.emit(
        &because,
        "checkout.session.expired",
        &shown(session.clone()),
    );
    state.checkout_sessions.put(session.clone());
    Ok(Json(shown(session)))
}

/// `GET /v1/payment_pages/{id}`: what Stripe's own page reads. It is in no manual, but Stripe's
/// command line tool goes this way to complete a session.
pub async fn payment_page(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    params.finish()?;
    let state = app.read();
    Ok(Json(payment_page_of(&waiting(&state, &id)?)))
}

/// `POST /v1/payment_pages/{id}/confirm`
pub async fn confirm_payment_page(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let method = params.required("payment_method")?;
    let expected = params.integer("expected_amount")?;
    params.finish()?;
    let mut state = app.write();
    let session = waiting(&state, &id)?;
    if expected.is_some_and(|expected| session["amount_total"] != expected) {
        return Err(ApiError::invalid(
            "expected_amount",
            "The amount of the session is another one.",
        ));
    }
    let method = payment_methods::resolve(&state, &method)?;
    let completed = complete(&mut state, &because, &id, Some(method))?;
    Ok(Json(payment_page_of(&completed)))
}

fn payment_page_of(session: &Value) -> Value {
    json!({
        "id": session["id"],
        "object": "checkout.session",
        "payment_status": session["payment_status"],
        "session_id": session["id"],
        "status": session["status"],
    })
}
