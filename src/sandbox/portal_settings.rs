//! Whether the customer portal's settings have been saved in the dashboard, which the stand-in does
//! not have: they have, until it is ordered otherwise at `/_sandbox/portal`. Without them there is no
//! default configuration, and no portal opens.

use axum::{Json, extract::State as Shelf, http::StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{
    error::{Answer, ApiError},
    listing::{Page, list},
    params::Params,
    state::Shared,
};

/// The default configuration.
pub const DEFAULT: &str = "bpc_1SandboxConfiguration0000";

/// `{"saved": false}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub saved: bool,
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
    let configuration = json!({
        "id": DEFAULT,
        "object": "billing_portal.configuration",
        "active": true,
        "is_default": true,
        "livemode": false,
        "login_page": { "enabled": false, "url": null },
        "metadata": {},
        "name": null,
    });
    let saved = !app.read().portal_is_unsaved;
    let data = (wanted && saved).then_some(configuration);
    Ok(Json(list(
        "/v1/billing_portal/configurations",
        data.into_iter().collect(),
        false,
    )))
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
