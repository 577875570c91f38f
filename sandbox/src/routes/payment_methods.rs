//! Payment methods: create, retrieve, update, attach, detach, list.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    objects::payment_methods::{attach, check_savable, resolve},
    routes::{
        Because,
        read::{Kind, whole},
    },
    shapes::{
        cards::{self, build, find},
        contact::ADDRESS,
    },
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        ids,
        params::{Params, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "PaymentMethod",
    url: "/v1/payment_methods",
    table: |state| &state.payment_methods,
    dated: false,
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let kinds = ["card", "sepa_debit"];
    let kind = params
        .choice("type", &kinds)?
        .ok_or_else(|| ApiError::missing("type"))?;
    let mut details = params
        .group(&kind)?
        .ok_or_else(|| ApiError::missing(&kind))?;
    let mut method = if kind == "card" {
        let name = match details.text("token")? {
            Some(token) => token,
            None => details.required("number")?,
        };
        let place = details.name("token");
        let card = find(&name).ok_or_else(|| ApiError::no_such_param(&place, "token", &name))?;
        let mut method = build(&ids::long("pm_"), card, because.at);
        apply_expiry(&mut method, &mut details)?;
        details.ignore(&["cvc"]);
        method
    } else {
        let iban = details.required("iban")?;
        cards::debit(&ids::long("pm_"), &iban, because.at)
    };
    details.finish()?;
    apply(&mut method, &mut params)?;
    params.finish()?;
    app.write().payment_methods.put(method.clone());
    Ok(Json(method))
}

/// What creation and update share.
fn apply(method: &mut Value, params: &mut Params) -> Result<(), ApiError> {
    if let Some(mut details) = params.group("billing_details")? {
        for field in ["email", "name", "phone", "tax_id"] {
            if let Some(text) = details.text(field)? {
                method["billing_details"][field] = nullable(text);
            }
        }
        if let Some(address) = details.group("address")? {
            method["billing_details"]["address"] = address.object(&ADDRESS)?;
        }
        details.finish()?;
    }
    let words = ["always", "limited", "unspecified"];
    if let Some(word) = params.choice("allow_redisplay", &words)? {
        method["allow_redisplay"] = json!(word);
    }
    params.metadata(&mut method["metadata"])
}

fn apply_expiry(method: &mut Value, card: &mut Params) -> Result<(), ApiError> {
    for field in ["exp_month", "exp_year"] {
        if let Some(number) = card.integer(field)? {
            if field == "exp_month" && !(1..=12).contains(&number) {
                let name = card.name(field);
                return Err(
                    ApiError::invalid(&name, "Your card's expiration month is invalid.")
                        .code("invalid_expiry_month"),
                );
            }
            method["card"][field] = json!(number);
        }
    }
    Ok(())
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let before = state.payment_methods.find("PaymentMethod", &id)?.clone();
    if before["customer"].is_null() {
        return Err(ApiError::invalid(
            "id",
            "You must save this PaymentMethod to a customer before you can update it.",
        ));
    }
    let mut method = before.clone();
    apply(&mut method, &mut params)?;
    if let Some(mut card) = params.group("card")? {
        apply_expiry(&mut method, &mut card)?;
        card.finish()?;
    }
    params.finish()?;
    state.emit_update(&because, "payment_method.updated", &before, &method);
    state.payment_methods.put(method.clone());
    Ok(Json(method))
}

/// `POST /v1/payment_methods/{id}/attach`
pub async fn attach_to(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let customer = params.required("customer")?;
    params.finish()?;
    let mut state = app.write();
    let customer = state.named_customer(&customer)?;
    let method = resolve(&state, &id).map_err(|_| ApiError::no_such("PaymentMethod", &id))?;
    if method["customer"].is_string() && method["customer"] != customer["id"] {
        return Err(ApiError::invalid(
            "id",
            "The payment method you provided has already been attached to a customer.",
        )
        .code("payment_method_already_attached"));
    }
    check_savable(&method)?;
    Ok(Json(attach(&mut state, &because, method, &customer)))
}

/// `POST /v1/payment_methods/{id}/detach`
pub async fn detach(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let before = state.payment_methods.find("PaymentMethod", &id)?.clone();
    let Some(customer) = before["customer"].as_str() else {
        return Err(ApiError::invalid(
            "id",
            "The payment method you provided is not attached to a customer so detachment is \
             impossible.",
        ));
    };
    let mut method = before.clone();
    method["customer"] = Value::Null;
    state.emit_update(&because, "payment_method.detached", &before, &method);
    state.payment_methods.put(method.clone());
    if let Some(mut customer) = state.customer(customer)
        && customer["invoice_settings"]["default_payment_method"] == *id
    {
        customer["invoice_settings"]["default_payment_method"] = Value::Null;
        state.update_customer(&because, customer);
    }
    let paid_with: Vec<Value> = state
        .subscriptions
        .iter()
        .filter(|subscription| subscription["default_payment_method"] == *id)
        .cloned()
        .collect();
    for mut subscription in paid_with {
        subscription["default_payment_method"] = Value::Null;
        state.update_subscription(&because, subscription);
    }
    Ok(Json(method))
}

/// `GET /v1/payment_methods?customer=…`
pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    list_of(&app, &customer, KIND.url, params)
}

/// `GET /v1/customers/{id}/payment_methods`
pub async fn of_customer(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let url = format!("/v1/customers/{id}/payment_methods");
    list_of(&app, &id, &url, params)
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, whole)
}

fn list_of(app: &Shared, customer: &str, url: &str, mut params: Params) -> Answer {
    let kind = params.text("type")?;
    params.ignore(&["allow_redisplay"]);
    KIND.list_below(
        app,
        params,
        url,
        |state| state.named_customer(customer).map(|_| ()),
        |method| {
            method["customer"] == *customer
                && kind.as_ref().is_none_or(|kind| method["type"] == **kind)
        },
        whole,
    )
}
