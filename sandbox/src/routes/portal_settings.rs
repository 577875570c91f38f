//! Whether the customer portal's settings have been saved in the dashboard, which the stand-in does
//! not have: they have, until it is ordered otherwise at `/_sandbox/portal`. Without them there is no
//! default configuration, and no portal opens.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde::Deserialize;

use crate::{
    objects::portal_settings::is_known,
    shapes::portal_settings::configuration,
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        listing::{Page, list},
        params::Params,
    },
};

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
