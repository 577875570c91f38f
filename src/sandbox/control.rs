//! The control routes under `/_sandbox/`, for tests and demos: faults, delay, further webhook
//! targets, and the log of requests. Loopback only, so they need no key.

use axum::{
    Json, Router,
    extract::{State as Shelf, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

use super::{
    faults::Fault,
    params::is_web_address,
    state::{Shared, Target},
};

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/_sandbox/requests", get(requests).delete(clear_requests))
        .route("/_sandbox/faults", post(add_fault).delete(clear_faults))
        .route("/_sandbox/delay", post(set_delay))
        .route("/_sandbox/webhooks", post(add_target))
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

fn done() -> Json<Value> {
    Json(json!({ "done": true }))
}

fn refuse(reason: String) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": reason }))).into_response()
}
