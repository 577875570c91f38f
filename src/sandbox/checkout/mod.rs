//! Checkout sessions: made by a shop, completed on the page that `url` leads to or by order.

mod build;
mod complete;
mod page;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use self::{
    build::{build, line_item, shown},
    complete::waiting,
};
pub use self::{complete::complete, page::router};
use super::{
    customers::{ADDRESS, is_email},
    error::{Answer, ApiError},
    events::{Because, Cause},
    listing::{Fields, Page, list, part},
    params::{Params, first, is_web_address, nullable},
    payment_intents::refuse_types,
    payment_methods, prices,
    state::{Shared, State},
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

fn read(params: &mut Params, mode: &str) -> Result<Value, ApiError> {
    let mut asked = json!({ "details": {}, "metadata": {} });
    for field in ["cancel_url", "success_url"] {
        let url = params.text(field)?;
        if url.as_deref().is_some_and(|url| !is_web_address(url)) {
            return Err(ApiError::invalid(field, "Not a valid URL").code("url_invalid"));
        }
        asked[field] = json!(url);
    }
    for field in [
        "client_reference_id",
        "customer",
        "customer_email",
        "locale",
    ] {
        asked[field] = nullable(params.text(field)?.unwrap_or_default());
    }
    if asked["customer"].is_string() && asked["customer_email"].is_string() {
        return Err(ApiError::invalid(
            "customer_email",
            "You may only specify one of these parameters: customer, customer_email.",
        ));
    }
    if let Some(email) = asked["customer_email"]
        .as_str()
        .filter(|email| !is_email(email))
    {
        return Err(ApiError::invalid(
            "customer_email",
            format!("Invalid email address: {}", first(email, 60)),
        )
        .code("email_invalid"));
    }
    if let Some(flag) = params.flag("allow_promotion_codes")? {
        asked["allow_promotion_codes"] = json!(flag);
    }
    let words = ["always", "if_required"];
    let creation = params.choice("customer_creation", &words)?;
    if creation.is_some() && mode != "payment" {
        return Err(ApiError::invalid(
            "customer_creation",
            "`customer_creation` can only be used in `payment` mode.",
        ));
    }
    asked["customer_creation"] = match mode {
        "payment" if asked["customer"].is_null() => json!(creation.unwrap_or("if_required".into())),
        "subscription" if asked["customer"].is_null() => json!("always"),
        _ => Value::Null,
    };
    params.metadata(&mut asked["metadata"])?;
    if let Some(mut data) = params.group("subscription_data")? {
        let mut read = json!({ "metadata": {} });
        read["description"] = nullable(data.text("description")?.unwrap_or_default());
        read["trial_period_days"] = json!(data.integer("trial_period_days")?);
        data.metadata(&mut read["metadata"])?;
        data.finish()?;
        asked["details"]["subscription_data"] = read;
    }
    if let Some(mut data) = params.group("payment_intent_data")? {
        let mut read = json!({ "metadata": {} });
        for field in ["description", "setup_future_usage"] {
            read[field] = nullable(data.text(field)?.unwrap_or_default());
        }
        if let Some(mut shipping) = data.group("shipping")? {
            let address = shipping.group("address")?.unwrap_or_default();
            read["shipping"] = json!({
                "address": address.object(&ADDRESS)?,
                "name": shipping.text("name")?,
                "phone": shipping.text("phone")?,
            });
            shipping.finish()?;
        }
        data.metadata(&mut read["metadata"])?;
        data.ignore(&["receipt_email", "statement_descriptor"]);
        data.finish()?;
        asked["details"]["payment_intent_data"] = read;
    }
    Ok(asked)
}

fn read_line(state: &State, mut line: Params, mode: &str) -> Result<Value, ApiError> {
    let place = line.name("price");
    let price = line.required("price")?;
    let quantity = line.integer("quantity")?.unwrap_or(1);
    line.ignore(&["adjustable_quantity", "tax_rates"]);
    line.finish()?;
    let price = state.prices.named(&place, "price", &price)?;
    if mode == "payment" && price["recurring"].is_object() {
        return Err(ApiError::invalid(
            &place,
            "You specified `payment` mode but passed a recurring price. Either switch to \
             `subscription` mode or use only one-time prices.",
        ));
    }
    let product = price["product"].as_str().unwrap_or_default();
    let name = state
        .products
        .get(product)
        .map_or(Value::Null, |product| product["name"].clone());
    let amount = prices::amount(price, quantity);
    Ok(line_item(
        &prices::shown(price.clone()),
        quantity,
        amount,
        &name,
    ))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let state = app.read();
    Ok(Json(shown(
        state
            .checkout_sessions
            .find("checkout.session", &id)?
            .clone(),
    )))
}

/// `GET /v1/checkout/sessions/{id}/line_items`
pub async fn line_items(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    mut params: Params,
) -> Answer {
    let page = Page::from(&mut params)?;
    params.finish()?;
    let state = app.read();
    let session = state.checkout_sessions.find("checkout.session", &id)?;
    let rows = session["line_items"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let (data, more) = part(rows, &page, "item")?;
    let url = format!("/v1/checkout/sessions/{id}/line_items");
    Ok(Json(list(&url, data, more)))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::dated(&mut params)?;
    let fields = Fields::from(
        &mut params,
        &[
            ("customer", "/customer"),
            ("payment_intent", "/payment_intent"),
            ("status", "/status"),
            ("subscription", "/subscription"),
        ],
    )?;
    params.finish()?;
    let state = app.read();
    let (data, more) = state
        .checkout_sessions
        .page(&page, "checkout.session", |session| fields.hold(session))?;
    let data = data.into_iter().map(shown).collect();
    Ok(Json(list("/v1/checkout/sessions", data, more)))
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

/// For the page, whose visitor may choose a card.
fn complete_by_visitor(state: &mut State, id: &str, card: &str) -> Result<Value, ApiError> {
    let method = payment_methods::resolve(state, card)?;
    complete(state, &Cause::portal(), id, Some(method))
}
