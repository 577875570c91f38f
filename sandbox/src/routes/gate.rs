//! What every API request passes before its handler: the log, the ordered delay and faults, the
//! key, the form, and the idempotency key. Answers leave with Stripe's headers.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State as Shelf},
    http::{HeaderMap, HeaderValue, Method, StatusCode, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use tokio::time::Instant;

use crate::{
    objects::events::{API_VERSION, Cause},
    routes::auth,
    state::{
        Shared,
        faults::{self, Effect, Manner},
        idempotency::FirstAnswer,
    },
    wire::{clock, error::ApiError, ids, params::Params},
};

/// More than any request that Stripe takes.
pub const LARGEST_BODY: usize = 1024 * 1024;

/// Where the portal link is to lead instead, by order of a fault.
#[derive(Debug, Clone)]
pub struct OtherPortalUrl(pub String);

pub async fn gate(Shelf(app): Shelf<Shared>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let id = ids::short("req_");
    let version = request.headers().get("stripe-version").cloned();
    let mut answer = pass(&app, &id, request, next).await;
    let headers = answer.headers_mut();
    headers.insert(
        "stripe-version",
        version.unwrap_or(HeaderValue::from_static(API_VERSION)),
    );
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("request-id", id);
    }
    match answer.extensions().get().copied() {
        Some(manner) => send(answer, manner).await,
        None => answer,
    }
}

/// Announces the whole answer, sends of it what the fault lets through, and drops the connection if
/// that is not all.
async fn send(answer: Response, manner: Manner) -> Response {
    /// Long enough for what was sent to leave before the connection is dropped.
    const PAUSE: Duration = Duration::from_millis(20);
    let (mut parts, body) = answer.into_parts();
    // The handlers' answers are in memory and whole, so reading one cannot fail.
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts
        .headers
        .insert("content-length", HeaderValue::from(whole.len()));
    let broken = || Err(io::Error::other("broken off on order"));
    let body = match manner {
        Manner::Truncated => {
            let half = whole.slice(..whole.len() / 2);
            let end = stream::once(async move {
                tokio::time::sleep(PAUSE).await;
                broken()
            });
            Body::from_stream(stream::iter([Ok(half)]).chain(end))
        }
        // Before anything has left: not even the head does.
        Manner::Lost => Body::from_stream(stream::iter([broken() as io::Result<Bytes>])),
        Manner::Dripping(pause) => {
            let bytes = (0..whole.len()).map(move |at| whole.slice(at..=at));
            Body::from_stream(stream::iter(bytes).then(move |byte| async move {
                tokio::time::sleep(pause).await;
                io::Result::Ok(byte)
            }))
        }
    };
    Response::from_parts(parts, body)
}

/// Notes the request and its outcome.
async fn pass(app: &Shared, id: &str, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The request is too large or was cut off.",
        )
        .into_response();
    };
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let (number, delay, admitted) = {
        let mut state = app.read();
        (
            state.requests.open(
                parts.method.as_str(),
                parts.uri.path(),
                &query,
                &form,
                &parts.headers,
            ),
            state.delay,
            state.rate.admit(Instant::now()),
        )
    };
    let answer = match admitted {
        Ok(()) => carry_out(app, id, parts, body, form, delay, next).await,
        Err(refusal) => Err(refusal),
    }
    .unwrap_or_else(ApiError::into_response);
    app.read().requests.close(number, answer.status().as_u16());
    answer
}

async fn carry_out(
    app: &Shared,
    id: &str,
    mut parts: Parts,
    body: Bytes,
    form: Vec<(String, String)>,
    delay: Duration,
    next: Next,
) -> Result<Response, ApiError> {
    tokio::time::sleep(delay).await;
    let query: Vec<(String, String)> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let pairs: Vec<(String, String)> = query.into_iter().chain(form).collect();
    let content: String = pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();

    let effect = faults::first(&mut app.read().faults, parts.uri.path(), &content);
    let mut manner = None;
    match effect {
        None => {}
        Some(Effect::Send(ordered)) => manner = Some(ordered),
        Some(Effect::Answer(answer)) => return Ok(answer),
        Some(Effect::PortalUrl(url)) => drop(parts.extensions.insert(OtherPortalUrl(url))),
        Some(Effect::Hang) => {
            app.stopped().await;
            return Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The stand-in is stopping.",
            ));
        }
    }
    let key = auth::check(&parts.headers)?;
    app.read()
        .keys
        .check(&key, &parts.method, parts.uri.path())?;
    check_content_type(&parts.headers, &body)?;
    let key = idempotency_key(&parts)?;
    parts.extensions.insert(Params::parse(&pairs)?);
    parts.extensions.insert(Cause {
        request: Some(id.to_owned()),
        idempotency_key: key.clone(),
        version: parts
            .headers
            .get("stripe-version")
            .and_then(|version| version.to_str().ok())
            .map(str::to_owned),
        at: clock::now(),
    });
    let fingerprint = format!("{} {}\n{content}", parts.method, parts.uri.path());
    let request = Request::from_parts(parts, Body::empty());
    let mut answer = match key {
        None => next.run(request).await,
        Some(key) => once(app, id, key, &fingerprint, request, next).await?,
    };
    if let Some(manner) = manner {
        answer.extensions_mut().insert(manner);
    }
    Ok(answer)
}

/// Carries out the first request of a key; later ones get the answer of the first.
async fn once(
    app: &Shared,
    id: &str,
    key: String,
    fingerprint: &str,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let begun = app.read().kept.begin(&key, fingerprint)?;
    let (answer, replayed) = match begun {
        Some(first) => (first, true),
        None => {
            let (parts, body) = next.run(request).await.into_parts();
            // The handlers' answers are in memory and whole, so reading one cannot fail.
            let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
            let answer = FirstAnswer {
                status: parts.status,
                body,
                request: id.to_owned(),
            };
            app.read().kept.finish(&key, answer.clone());
            (answer, false)
        }
    };
    Ok(with_key(answer, &key, replayed))
}

fn with_key(answer: FirstAnswer, key: &str, replayed: bool) -> Response {
    let mut response = (
        answer.status,
        [("content-type", "application/json")],
        answer.body,
    )
        .into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        ("idempotency-key", key),
        ("original-request", &answer.request),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    if replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

fn idempotency_key(parts: &Parts) -> Result<Option<String>, ApiError> {
    if parts.method != Method::POST {
        return Ok(None);
    }
    let Some(key) = parts
        .headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
    else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > 255 {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "An Idempotency-Key has 1 to 255 characters.",
        )
        .kind("idempotency_error"));
    }
    Ok(Some(key.to_owned()))
}

fn check_content_type(headers: &HeaderMap, body: &Bytes) -> Result<(), ApiError> {
    let kind = headers
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    if body.is_empty() || kind.starts_with("application/x-www-form-urlencoded") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::BAD_REQUEST,
        "Invalid request (check that your POST content type is \
         application/x-www-form-urlencoded). If you have any questions, we can help at \
         https://support.stripe.com/.",
    ))
}
