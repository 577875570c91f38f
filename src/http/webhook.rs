//! `POST /webhooks/stripe`. 200 means that the event is durable. On any other status Stripe retries. An event whose signature is
//! invalid is not stored.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
};

use super::{Site, problem::Problem};
use crate::{
    domain::sync::Outcome,
    log_throttle::LogThrottle,
    stripe::{
        Event,
        signature::{self, Claim},
    },
};

/// Timeout for reading the body, against senders that drip it (slowloris).
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout for the database to make the event durable. Then the response is 503.
const STORE_TIMEOUT: Duration = Duration::from_millis(4_500);

pub async fn receive(
    State(site): State<Site>,
    headers: HeaderMap,
    body: Body,
) -> Result<&'static str, Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| encoding.as_bytes() != b"identity") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "compressed bodies are not read",
        ));
    }
    let app = &site.app;
    let refuse = |refusal| {
        log_throttled(app.clock.now(), refusal);
        Problem::new(StatusCode::BAD_REQUEST, "the signature is not good")
    };
    // Checked before the body is read: any client can send one, and it uses memory.
    let claim = claim(&headers, app.clock.now()).map_err(refuse)?;
    // The body limit of the route is enforced by an outer layer.
    let body = tokio::time::timeout(READ_TIMEOUT, to_bytes(body, usize::MAX))
        .await
        .map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long"))?
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
    claim
        .verify(&body, &app.config.stripe_webhook_secrets)
        .map_err(refuse)?;
    let event = Event::parse(&body).map_err(|error| {
        tracing::error!(%error, bytes = body.len(), "a well-signed body is no event");
        Problem::new(StatusCode::BAD_REQUEST, "the body is not an event")
    })?;
    let (id, r#type) = (event.id.clone(), event.r#type.clone());
    let (livemode, account) = (event.livemode, event.account.clone());
    let context = event.context.clone();
    let outcome = tokio::time::timeout(STORE_TIMEOUT, app.inbox.receive(event))
        .await
        .map_err(|_| {
            tracing::error!(event = id, "an event was not stored in time");
            Problem::unavailable("not stored in time, send it again")
        })?
        .map_err(|_| Problem::unavailable("not stored, send it again"))?;
    if let (Outcome::Ignored, Some(context)) = (outcome, &context) {
        static SISTERS: LogThrottle = LogThrottle::new(60);
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
    Ok(words(outcome))
}

/// Requires exactly one header: with duplicates, sender and receiver could each read another one.
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

/// Throttled, with the number of suppressed lines: any client can send bad signatures.
fn log_throttled(now: i64, refusal: signature::Refusal) {
    static REFUSED: LogThrottle = LogThrottle::new(10);
    if let Some(count) = REFUSED.count(now) {
        tracing::warn!(%refusal, count, "webhooks refused");
    }
}
