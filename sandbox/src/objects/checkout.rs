//! What a completed checkout brings about: a customer, a payment method, and the payment,
//! subscription or set-up that the session is for.

use serde_json::{Value, json};

use crate::{
    objects::{
        events::Cause,
        payment_methods,
        subscription_start::{self, Start},
    },
    shapes::{
        cards::{self, Charge},
        checkout::shown,
        customers, payment_intents, setup_intents,
        subscriptions::{self, Item},
    },
    state::State,
    wire::{clock::DAY, error::ApiError, ids},
};

/// The session, if it still waits.
pub fn waiting(state: &State, id: &str) -> Result<Value, ApiError> {
    let session = state.checkout_sessions.find("checkout.session", id)?;
    if session["status"] != "open" {
        return Err(ApiError::invalid(
            "session",
            format!(
                "Only Checkout Sessions with a status in [\"open\"] can be completed or expired. \
                 This Checkout Session has a status of {}.",
                session["status"].as_str().unwrap_or_default()
            ),
        ));
    }
    Ok(session.clone())
}

/// Pays with the method given, or with a Visa that pays.
pub fn complete(
    state: &mut State,
    cause: &Cause,
    id: &str,
    method: Option<Value>,
) -> Result<Value, ApiError> {
    let mut session = waiting(state, id)?;
    let method = match method {
        Some(method) => method,
        None => payment_methods::resolve(state, "pm_card_visa")?,
    };
    let outcome = cards::charge(&method);
    if matches!(outcome, Charge::Declined | Charge::DeclinedLater) {
        return Err(payment_methods::declined(json!({})));
    }
    let customer = customer(state, cause, &session, &method)?;
    let mode = session["mode"].as_str().unwrap_or_default().to_owned();
    let method = match &customer {
        Some(customer) if mode != "payment" => {
            payment_methods::attach(state, cause, method, customer)
        }
        _ => {
            state.payment_methods.put(method.clone());
            method
        }
    };
    session["customer"] = customer
        .as_ref()
        .map_or(Value::Null, |customer| customer["id"].clone());
    session["payment_status"] = json!("paid");
    match mode.as_str() {
        "payment" => pay(state, cause, &mut session, &method, outcome),
        "subscription" => subscribe(state, cause, &mut session, &method)?,
        _ => {
            let intent = setup_intents::succeeded(&session["customer"], &method, cause.at);
            state.emit(cause, "setup_intent.created", &intent);
            state.emit(cause, "setup_intent.succeeded", &intent);
            session["setup_intent"] = intent["id"].clone();
            session["payment_status"] = json!("no_payment_required");
            state.setup_intents.put(intent);
        }
    }
    session["status"] = json!("complete");
    session["url"] = Value::Null;
    session["customer_details"] = details(&session, customer.as_ref(), &method);
    state.emit(cause, "checkout.session.completed", &shown(session.clone()));
    state.checkout_sessions.put(session.clone());
    Ok(shown(session))
}

/// Whom the session names, or a new one if it needs one.
fn customer(
    state: &mut State,
    cause: &Cause,
    session: &Value,
    method: &Value,
) -> Result<Option<Value>, ApiError> {
    if let Some(id) = session["customer"].as_str() {
        return state.named_customer(id).map(Some);
    }
    let wanted = session["mode"] == "subscription" || session["customer_creation"] == "always";
    if !wanted {
        return Ok(None);
    }
    let mut customer = customers::blank(&ids::short("cus_"), cause.at);
    for field in ["email", "name"] {
        customer[field] = method["billing_details"][field].clone();
    }
    if session["customer_email"].is_string() {
        customer["email"] = session["customer_email"].clone();
    }
    state.emit(cause, "customer.created", &customer);
    state.customers.put(customer.clone());
    Ok(Some(customer))
}

fn pay(state: &mut State, cause: &Cause, session: &mut Value, method: &Value, outcome: Charge) {
    let amount = session["amount_total"].as_i64().unwrap_or_default();
    if amount == 0 {
        session["payment_status"] = json!("no_payment_required");
        return;
    }
    let mut intent = payment_intents::build(
        &ids::long("pi_"),
        amount,
        &session["currency"],
        &session["customer"],
        cause.at,
    );
    let data = &session["details"]["payment_intent_data"];
    for field in ["description", "metadata", "setup_future_usage", "shipping"] {
        if !data[field].is_null() {
            intent[field] = data[field].clone();
        }
    }
    // Whom the bank wants to see is on the page already.
    let outcome = match outcome {
        Charge::NeedsOwner => Charge::Succeeds,
        other => other,
    };
    intent["payment_method_types"] = json!([method["type"]]);
    state.emit(cause, "payment_intent.created", &intent);
    let told = payment_intents::attempt(&mut intent, method, outcome);
    state.emit(cause, told, &intent);
    session["payment_intent"] = intent["id"].clone();
    if outcome == Charge::Pends {
        session["payment_status"] = json!("unpaid");
    }
    state.payment_intents.put(intent);
}

fn subscribe(
    state: &mut State,
    cause: &Cause,
    session: &mut Value,
    method: &Value,
) -> Result<(), ApiError> {
    let data = session["details"]["subscription_data"].clone();
    let trial_end = data["trial_period_days"]
        .as_i64()
        .map(|days| cause.at + days * DAY);
    let items = session["line_items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|line| line["price"]["recurring"].is_object())
        .map(|line| {
            let price = line["price"].clone();
            let end = trial_end.unwrap_or_else(|| subscriptions::period_end(&price, cause.at));
            Item {
                id: ids::short("si_"),
                quantity: line["quantity"].as_i64().unwrap_or(1),
                metadata: json!({}),
                period: (cause.at, end),
                price,
            }
        })
        .collect();
    let start = Start {
        customer: session["customer"].as_str().unwrap_or_default().to_owned(),
        items,
        trial_end,
        may_wait: false,
        discounts: Vec::new(),
        fields: json!({
            "default_payment_method": method["id"],
            "description": data["description"],
            "metadata": data["metadata"].as_object().cloned().unwrap_or_default(),
        }),
    };
    let subscription = subscription_start::start(state, cause, start)?;
    session["subscription"] = subscription["id"].clone();
    session["invoice"] = subscription["latest_invoice"].clone();
    Ok(())
}

/// What the visitor said about himself.
fn details(session: &Value, customer: Option<&Value>, method: &Value) -> Value {
    let nothing = Value::Null;
    let customer = customer.unwrap_or(&nothing);
    let said = &method["billing_details"];
    let first = |choices: [&Value; 3]| {
        choices
            .into_iter()
            .find(|choice| choice.is_string())
            .cloned()
    };
    json!({
        "address": said["address"],
        "business_name": null,
        "email": first([&customer["email"], &session["customer_email"], &said["email"]]),
        "individual_name": null,
        "name": first([&said["name"], &customer["name"], &nothing]),
        "phone": said["phone"],
        "tax_exempt": "none",
        "tax_ids": [],
    })
}
