//! Events: retrieve, list.

use axum::extract::{Path, State as Shelf};
use serde_json::Value;

use crate::{
    routes::read::{Kind, whole},
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        params::Params,
    },
};

const KIND: Kind = Kind {
    noun: "event",
    url: "/v1/events",
    table: |state| &state.events,
    dated: true,
};

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let kind = params.text("type")?;
    let kinds = params.list("types")?;
    let delivered = params.flag("delivery_success")?;
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
    let wanted = |event: &Value| {
        let is = event["type"].as_str().unwrap_or_default();
        let arrived = event["pending_webhooks"] == 0;
        kind.as_ref().is_none_or(|kind| matches_kind(kind, is))
            && kinds
                .as_ref()
                .is_none_or(|kinds| kinds.iter().any(|kind| matches_kind(kind, is)))
            && delivered.is_none_or(|delivered| delivered == arrived)
    };
    KIND.list(&app, params, wanted, whole)
}

pub async fn one(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, whole)
}

/// `customer.*` stands for all that begins so.
fn matches_kind(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => pattern == kind,
    }
}
