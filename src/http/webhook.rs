//! `POST /webhooks/stripe`. A 200 says that the event is on disk; anything else makes Stripe send
//! it again. Nothing is written for a body whose signature is not good.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody, to_bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::Site;
use crate::{
    domain::sync::Outcome,
    seldom::Seldom,
    stripe::{
        Event,
        signature::{self, Claim},
    },
};

/// Bytes. Most events are of some kB. What Stripe lets a seller write (50 values of metadata of 500
/// characters, on an object and on each that it holds) makes bodies of about 1 MB where the text is not
/// ASCII, as each character is then up to 12 bytes of escapes.
const LARGEST_BODY: usize = 2 * 1024 * 1024;
/// A sender that drips its body is cut off.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The database has this long to make the event durable, before we say 503.
const STORE_TIMEOUT: Duration = Duration::from_millis(4_500);

pub async fn receive(State(site): State<Site>, headers: HeaderMap, body: Body) -> Response {
    match accept(&site, &headers, body).await {
        Ok(outcome) => (StatusCode::OK, words(outcome)).into_response(),
        Err((status, message)) => (status, message).into_response(),
    }
}

type Refusal = (StatusCode, &'static str);

const TOO_LARGE: Refusal = (
    StatusCode::PAYLOAD_TOO_LARGE,
    "the body is over 2 MB or broke off\n",
);

async fn accept(site: &Site, headers: &HeaderMap, body: Body) -> Result<Outcome, Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding.as_bytes() != b"identity") {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "compressed bodies are not read\n",
        ));
    }
    let app = &site.app;
    let refuse = |refusal| {
        log_sometimes(app.clock.now(), refusal);
        (StatusCode::BAD_REQUEST, "the signature is not good\n")
    };
    // Before the body: anybody can send one, and it costs us memory.
    let claim = claim(headers, app.clock.now()).map_err(refuse)?;
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(TOO_LARGE);
    }
    let body = tokio::time::timeout(READ_TIMEOUT, to_bytes(body, LARGEST_BODY))
        .await
        .map_err(|_| (StatusCode::REQUEST_TIMEOUT, "the body took too long\n"))?
        .map_err(|_| TOO_LARGE)?;
    claim
        .verify(&body, &app.config.stripe_webhook_secrets)
        .map_err(refuse)?;
    let event = Event::parse(&body).map_err(|error| {
        tracing::error!(%error, bytes = body.len(), "a well-signed body is no event");
        (StatusCode::BAD_REQUEST, "the body is not an event\n")
    })?;
    let (id, r#type) = (event.id.clone(), event.r#type.clone());
    let (livemode, account) = (event.livemode, event.account.clone());
    let context = event.context.clone();
    let outcome = tokio::time::timeout(STORE_TIMEOUT, app.inbox.receive(event))
        .await
        .map_err(|_| {
            tracing::error!(event = id, "an event was not stored in time");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "not stored in time, send it again\n",
            )
        })?
        .map_err(|_| {
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "not stored, send it again\n",
            )
        })?;
    if let (Outcome::Ignored, Some(context)) = (outcome, &context) {
        static SISTERS: Seldom = Seldom::new(60);
        if let Some(count) = SISTERS.count(app.clock.now()) {
            tracing::warn!(
                event = id,
                context,
                count,
                "events of another account are kept, but not applied; if it is the account of the key, put it into STRIPE_ACCOUNT"
            );
        }
    } else if outcome == Outcome::Ignored {
        tracing::info!(
            event = id,
            r#type,
            livemode,
            account,
            "event kept, but not applied: its type, mode or account is not what is mirrored here"
        );
    } else {
        tracing::debug!(event = id, r#type, ?outcome, "event received");
    }
    Ok(outcome)
}

/// Exactly one header line counts: with two, sender and receiver could mean different ones.
fn claim(headers: &HeaderMap, now: i64) -> Result<Claim<'_>, signature::Refusal> {
    let mut lines = headers.get_all("stripe-signature").iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Err(signature::Refusal::Malformed);
    };
    let header = line.to_str().map_err(|_| signature::Refusal::Malformed)?;
    Claim::read(header, now)
}

fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied\n",
        Outcome::Stale => "stale\n",
        Outcome::Ignored => "ignored\n",
        Outcome::Pending => "pending\n",
        Outcome::Failed => "failed\n",
        Outcome::Duplicate => "duplicate\n",
    }
}

/// With how many it stands for: anybody can send bad signatures.
fn log_sometimes(now: i64, refusal: signature::Refusal) {
    static REFUSED: Seldom = Seldom::new(10);
    if let Some(count) = REFUSED.count(now) {
        tracing::warn!(%refusal, count, "webhooks refused");
    }
}
