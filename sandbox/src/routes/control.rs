//! The control routes under `/_sandbox/`, for tests and demos: faults, delay, rate, delivery,
//! keys, the portal's settings, further webhook targets, the log of requests, and what only time or
//! a visitor would bring about. Loopback only, so they need no key.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{State as Shelf, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    objects::{checkout, crowd::Crowd, events::Cause, renewal},
    routes::portal_settings,
    state::{Shared, Target, deliveries::Orders, faults::Fault, keys, rate::Rate},
    wire::{clock, error::Answer, json::cut, params::is_web_address},
};

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/_sandbox/requests", get(requests).delete(clear_requests))
        .route("/_sandbox/faults", post(add_fault).delete(clear_faults))
        .route("/_sandbox/delay", post(set_delay))
        .route("/_sandbox/keys", post(restrict_key))
        .route("/_sandbox/portal", post(save_portal))
        .route("/_sandbox/webhooks", post(add_target))
        .route("/_sandbox/rate", get(show_rate).post(set_rate))
        .route("/_sandbox/delivery", get(show_delivery).post(set_delivery))
        .route("/_sandbox/customers", post(add_customers))
        .route("/_sandbox/renew", post(renew_subscription))
        .route("/_sandbox/checkout/complete", post(complete_checkout))
}

/// A body of the wrong form gets its reason back.
type Sent<T> = Result<Json<T>, JsonRejection>;
type Done = Result<Json<Value>, Response>;

async fn requests(Shelf(app): Shelf<Shared>) -> Json<Value> {
    Json(json!({ "requests": app.read().requests.entries() }))
}

async fn clear_requests(Shelf(app): Shelf<Shared>) -> Json<Value> {
    app.read().requests.clear();
    done()
}

async fn add_fault(Shelf(app): Shelf<Shared>, sent: Sent<Fault>) -> Done {
    let Json(fault) = sent.map_err(IntoResponse::into_response)?;
    fault.check().map_err(refuse)?;
    app.read().faults.push(fault);
    Ok(done())
}

async fn clear_faults(Shelf(app): Shelf<Shared>) -> Json<Value> {
    app.read().faults.clear();
    done()
}

#[derive(Deserialize)]
struct Delay {
    ms: u64,
}

async fn set_delay(Shelf(app): Shelf<Shared>, sent: Sent<Delay>) -> Done {
    let Json(delay) = sent.map_err(IntoResponse::into_response)?;
    app.read().delay = Duration::from_millis(delay.ms.min(60_000));
    Ok(done())
}

async fn restrict_key(Shelf(app): Shelf<Shared>, sent: Sent<keys::Order>) -> Done {
    let Json(order) = sent.map_err(IntoResponse::into_response)?;
    app.read().keys.order(order).map_err(refuse)?;
    Ok(done())
}

async fn save_portal(Shelf(app): Shelf<Shared>, sent: Sent<portal_settings::Order>) -> Done {
    let Json(order) = sent.map_err(IntoResponse::into_response)?;
    app.read().portal_is_unsaved = !order.saved;
    Ok(done())
}

#[derive(Deserialize)]
struct NewTarget {
    url: String,
    secret: String,
}

async fn add_target(Shelf(app): Shelf<Shared>, sent: Sent<NewTarget>) -> Done {
    let Json(NewTarget { url, secret }) = sent.map_err(IntoResponse::into_response)?;
    if !is_web_address(&url) || secret.is_empty() {
        return Err(refuse(
            "a webhook target has an http address and a secret".to_owned(),
        ));
    }
    let mut state = app.read();
    state.targets.retain(|target| target.url != url);
    state.targets.push(Target { url, secret });
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// Null ends the limit.
    per_second: Option<u32>,
}

async fn set_rate(Shelf(app): Shelf<Shared>, sent: Sent<Limit>) -> Done {
    let Json(limit) = sent.map_err(IntoResponse::into_response)?;
    app.read().rate = Rate::order(limit.per_second);
    Ok(done())
}

async fn show_rate(Shelf(app): Shelf<Shared>) -> Json<Value> {
    let (per_second, served, refused) = app.read().rate.counts();
    Json(json!({ "per_second": per_second, "served": served, "refused": refused }))
}

async fn set_delivery(Shelf(app): Shelf<Shared>, sent: Sent<Orders>) -> Done {
    let Json(orders) = sent.map_err(IntoResponse::into_response)?;
    orders.check().map_err(refuse)?;
    app.orders.send_replace(orders);
    Ok(done())
}

/// The orders, and how many deliveries have neither arrived nor been given up.
async fn show_delivery(Shelf(app): Shelf<Shared>) -> Json<Value> {
    let orders = app.orders.borrow().clone();
    Json(json!({ "orders": orders, "undelivered": app.read().undelivered.len() }))
}

async fn add_customers(Shelf(app): Shelf<Shared>, sent: Sent<Crowd>) -> Done {
    let Json(crowd) = sent.map_err(IntoResponse::into_response)?;
    crowd.check().map_err(refuse)?;
    crowd.join(&mut app.write(), clock::now());
    Ok(done())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewal {
    subscription: String,
    outcome: renewal::Outcome,
}

/// Answers with the subscription as it is then.
async fn renew_subscription(
    Shelf(app): Shelf<Shared>,
    sent: Sent<Renewal>,
) -> Result<Answer, JsonRejection> {
    let Json(renewal) = sent?;
    let renewed = renewal::renew(
        &mut app.write(),
        &Cause::portal(),
        &renewal.subscription,
        renewal.outcome,
    );
    Ok(renewed.map(cut).map(Json))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Completion {
    session: String,
}

/// Answers with the session as it is then.
async fn complete_checkout(
    Shelf(app): Shelf<Shared>,
    sent: Sent<Completion>,
) -> Result<Answer, JsonRejection> {
    let Json(completion) = sent?;
    let completed = checkout::complete(
        &mut app.write(),
        &Cause::portal(),
        &completion.session,
        None,
    );
    Ok(completed.map(cut).map(Json))
}

fn done() -> Json<Value> {
    Json(json!({ "done": true }))
}

fn refuse(reason: String) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": reason }))).into_response()
}
