//! Events: recording what happened, and reading it back. Every change of an object that Stripe
//! tells about goes through `emit` or `emit_update`.

use axum::{
    Extension, Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use super::{
    clock,
    delivery::Delivery,
    error::{Answer, ApiError},
    ids,
    listing::{Page, list},
    objects::{cut, previous_attributes},
    params::Params,
    state::{Shared, State},
};

pub const API_VERSION: &str = "2026-10-28.endive";

/// Older ones are forgotten, as Stripe forgets after 30 days.
const KEPT: usize = 10_000;

/// What caused an event: the API request, or (without an id) a person on the portal page.
#[derive(Debug, Clone)]
pub struct Cause {
    pub request: Option<String>,
    pub idempotency_key: Option<String>,
    /// The version that the request asked for.
    pub version: Option<String>,
    pub at: i64,
}

impl Cause {
    /// For what no API request asked for.
    pub fn of_itself(at: i64) -> Self {
        Self {
            request: None,
            idempotency_key: None,
            version: None,
            at,
        }
    }

    /// For what happens on a page of the stand-in, or by order of a control route.
    pub fn portal() -> Self {
        Self::of_itself(clock::now())
    }

    /// Versions are dates, so they compare as texts.
    pub fn is_endive(&self) -> bool {
        self.version
            .as_deref()
            .is_some_and(|version| version >= "2026-09-30")
    }
}

impl State {
    pub fn emit(&mut self, cause: &Cause, kind: &str, object: &Value) {
        self.record(cause, kind, json!({ "object": cut(object.clone()) }));
    }

    /// Nothing changed, nothing told: so does Stripe.
    pub fn emit_update(&mut self, cause: &Cause, kind: &str, before: &Value, after: &Value) {
        if before != after {
            let (before, after) = (cut(before.clone()), cut(after.clone()));
            let previous = previous_attributes(&before, &after);
            let data = json!({ "object": after, "previous_attributes": previous });
            self.record(cause, kind, data);
        }
    }

    fn record(&mut self, cause: &Cause, kind: &str, data: Value) {
        let id = ids::long("evt_");
        let targets = self.targets_for(kind);
        self.events.put(json!({
            "id": id,
            "object": "event",
            "api_version": API_VERSION,
            "created": cause.at,
            "data": data,
            "livemode": false,
            "pending_webhooks": targets.len(),
            "request": { "id": cause.request, "idempotency_key": cause.idempotency_key },
            "type": kind,
        }));
        for target in targets {
            self.send(Delivery {
                event: id.clone(),
                target,
            });
        }
        while self.events.len() > KEPT {
            self.events.remove_oldest();
        }
    }
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::dated(&mut params)?;
    let kind = params.text("type")?;
    let kinds = params.list("types")?;
    let delivered = params.flag("delivery_success")?;
    params.finish()?;
    if kind.is_some() && kinds.is_some() {
        return Err(ApiError::invalid(
            "type",
            "You may only specify one of these parameters: type, types.",
        ));
    }
    if kinds.as_ref().is_some_and(|kinds| kinds.len() > 20) {
        return Err(ApiError::invalid(
            "types",
            "You may specify up to 20 event types.",
        ));
    }
    let (data, more) = app.read().events.page(&page, "event", |event| {
        let is = event["type"].as_str().unwrap_or_default();
        let arrived = event["pending_webhooks"] == 0;
        kind.as_ref().is_none_or(|kind| matches_kind(kind, is))
            && kinds
                .as_ref()
                .is_none_or(|kinds| kinds.iter().any(|kind| matches_kind(kind, is)))
            && delivered.is_none_or(|delivered| delivered == arrived)
    })?;
    Ok(Json(list("/v1/events", data, more)))
}

pub async fn one(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let event = app.read().events.get(&id).cloned();
    event
        .map(Json)
        .ok_or_else(|| ApiError::no_such("event", &id))
}

/// `customer.*` stands for all that begins so.
fn matches_kind(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => pattern == kind,
    }
}

/// The cause of events that a handler emits; the gate puts it there.
pub type Because = Extension<Cause>;
