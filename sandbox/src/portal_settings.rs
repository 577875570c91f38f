//! Whether the customer portal's settings have been saved in the dashboard, which the stand-in does
//! not have: they have, until it is ordered otherwise at `/_sandbox/portal`. Without them there is no
//! default configuration, and no portal opens.

use axum::{
    Json,
    extract::{Path, State as Shelf},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    error::{Answer, ApiError},
    listing::{Page, list},
    params::Params,
    state::{Shared, State},
};

/// The default configuration.
pub const DEFAULT: &str = "bpc_1SandboxConfiguration0000";

/// When it was saved: 1 January 2026.
const SAVED: i64 = 1_767_225_600;

/// `{"saved": false}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub saved: bool,
}

/// Whether there is such a configuration. There is none but the default one.
pub fn is_known(state: &State, id: &str) -> bool {
    id == DEFAULT && !state.portal_is_unsaved
}

/// It says what the page of the stand-in can do.
fn configuration() -> Value {
    json!({
        "id": DEFAULT,
        "object": "billing_portal.configuration",
        "active": true,
        "application": null,
        "business_profile": {
            "headline": null,
            "privacy_policy_url": null,
            "terms_of_service_url": null,
        },
        "created": SAVED,
        "default_return_url": null,
        "features": {
            "customer_update": { "allowed_updates": ["email", "name"], "enabled": true },
            "invoice_history": { "enabled": true },
            "payment_method_update": { "enabled": true, "payment_method_configuration": null },
            "subscription_cancel": {
                "cancellation_reason": {
                    "enabled": false,
                    "feedback_options": null,
                    "options": ["too_expensive", "missing_features", "unused", "other"],
                },
                "enabled": true,
                "mode": "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_pause": {
                "duration": { "interval_options": [], "type": "indefinite" },
                "enabled": false,
            },
            "subscription_update": {
                "billing_cycle_anchor": null,
                "default_allowed_updates": ["price"],
                "enabled": true,
                "proration_behavior": "none",
                "schedule_at_period_end": { "conditions": [] },
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": true,
        "livemode": false,
        "login_page": { "enabled": false, "url": null },
        "metadata": {},
        "name": null,
        "updated": SAVED,
    })
}

/// `GET /v1/billing_portal/configurations`: that one, or none.
pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    Page::from(&mut params)?;
    let mut wanted = true;
    for name in ["active", "is_default"] {
        let choice = params.choice(name, &["true", "false"])?;
        wanted &= choice.as_deref() != Some("false");
    }
    params.finish()?;
    let saved = !app.read().portal_is_unsaved;
    let data = (wanted && saved).then(configuration);
    Ok(Json(list(
        "/v1/billing_portal/configurations",
        data.into_iter().collect(),
        false,
    )))
}

/// `GET /v1/billing_portal/configurations/{id}`
pub async fn one(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    if !is_known(&app.read(), &id) {
        return Err(ApiError::no_such("configuration", &id));
    }
    Ok(Json(configuration()))
}

/// What Stripe says to who asks for a portal too early.
pub fn refusal() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "No configuration provided and your test mode default configuration has not been created. \
         Provide a configuration or create your default by saving your customer portal settings in \
         test mode at https://dashboard.stripe.com/test/settings/billing/portal.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_configuration_is_there_once_it_was_saved() {
        let mut state = State::default();
        assert!(is_known(&state, DEFAULT));
        assert!(!is_known(&state, "bpc_1Unknown"));
        state.portal_is_unsaved = true;
        assert!(!is_known(&state, DEFAULT));
    }
}
