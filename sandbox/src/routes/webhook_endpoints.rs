//! Webhook endpoints: create, retrieve, list, update, delete. The secret is told once, at creation.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    routes::{Because, read::Kind},
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        ids,
        params::{Params, first, is_web_address, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "webhook endpoint",
    url: "/v1/webhook_endpoints",
    table: |state| &state.webhook_endpoints,
    dated: false,
};

/// As many as Stripe allows.
const MOST: usize = 16;

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let mut endpoint = json!({
        "id": ids::long("we_"),
        "object": "webhook_endpoint",
        "api_version": params.text("api_version")?,
        "application": null,
        "created": because.at,
        "description": null,
        "enabled_events": null,
        "livemode": false,
        "metadata": {},
        "secret": ids::random("whsec_", 32),
        "status": "enabled",
        "url": null,
    });
    params.ignore(&["connect"]);
    apply(&mut endpoint, &mut params)?;
    params.finish()?;
    for needed in ["enabled_events", "url"] {
        if endpoint[needed].is_null() {
            return Err(ApiError::missing(needed));
        }
    }
    let mut state = app.write();
    if state.webhook_endpoints.len() >= MOST {
        return Err(ApiError::invalid(
            "url",
            format!("You have reached the maximum of {MOST} test webhook endpoints."),
        ));
    }
    state.webhook_endpoints.put(endpoint.clone());
    Ok(Json(endpoint))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, |_, endpoint| shown(endpoint))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut endpoint = state
        .webhook_endpoints
        .get(&id)
        .cloned()
        .ok_or_else(|| unknown(&id))?;
    apply(&mut endpoint, &mut params)?;
    if let Some(disabled) = params.flag("disabled")? {
        endpoint["status"] = json!(if disabled { "disabled" } else { "enabled" });
    }
    params.finish()?;
    state.webhook_endpoints.put(endpoint.clone());
    Ok(Json(shown(endpoint)))
}

pub async fn delete(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let removed = app.write().webhook_endpoints.remove(&id);
    removed.ok_or_else(|| unknown(&id))?;
    Ok(Json(
        json!({ "id": id, "object": "webhook_endpoint", "deleted": true }),
    ))
}

pub async fn all(Shelf(app): Shelf<Shared>, params: Params) -> Answer {
    KIND.list(&app, params, |_| true, |_, endpoint| shown(endpoint))
}

fn apply(endpoint: &mut Value, params: &mut Params) -> Result<(), ApiError> {
    if let Some(url) = params.text("url")? {
        if !is_web_address(&url) {
            return Err(
                ApiError::invalid("url", format!("Invalid URL: {}", first(&url, 80)))
                    .code("url_invalid"),
            );
        }
        endpoint["url"] = json!(url);
    }
    if let Some(events) = params.list("enabled_events")? {
        if events.is_empty() || events.iter().any(String::is_empty) {
            return Err(ApiError::invalid(
                "enabled_events",
                "Invalid enabled_events: name at least one event.",
            ));
        }
        endpoint["enabled_events"] = json!(events);
    }
    if let Some(description) = params.text("description")? {
        endpoint["description"] = nullable(description);
    }
    params.metadata(&mut endpoint["metadata"])
}

fn shown(mut endpoint: Value) -> Value {
    if let Some(fields) = endpoint.as_object_mut() {
        fields.remove("secret");
    }
    endpoint
}

fn unknown(id: &str) -> ApiError {
    ApiError::no_such("webhook endpoint", id)
}
