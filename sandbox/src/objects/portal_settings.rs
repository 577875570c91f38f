//! Whether the customer portal's settings have been saved in the dashboard, which the stand-in does not have.

use axum::http::StatusCode;

use crate::{shapes::portal_settings::DEFAULT, state::State, wire::error::ApiError};

/// Whether there is such a configuration. There is none but the default one.
pub fn is_known(state: &State, id: &str) -> bool {
    id == DEFAULT && !state.portal_is_unsaved
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
