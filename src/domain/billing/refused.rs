//! Stripe's refusals of a click: the log has the details for the operator, and the customer gets a short error.

use reqwest::StatusCode;

use crate::{mask, model::ApiError, store::customer::Customer, stripe::client::Error};

/// Logs why Stripe refused a customer's click, and maps it to the error that the customer may see.
pub fn failed(customer: &Customer) -> impl Fn(Error) -> ApiError {
    move |error| {
        let customer = shown(&customer.id);
        if !is_the_operators(&error) {
            tracing::error!(%error, customer, "the click could not be passed on to Stripe");
            return ApiError::Unavailable;
        }
        // Stripe's own error message contains parts of the API key, so it is redacted.
        let status = error.status().map(|status| status.as_u16());
        let said = error.refusal();
        match (error.permission(), error.status()) {
            (Some(permission), _) => tracing::error!(
                alarm = "stripe-key",
                status,
                permission,
                "STRIPE_API_KEY lacks a permission: in Stripe's dashboard, Developers > API keys, add it to the key"
            ),
            (None, Some(StatusCode::UNAUTHORIZED)) => tracing::error!(
                alarm = "stripe-key",
                status,
                "Stripe does not take STRIPE_API_KEY: see in Stripe's dashboard, Developers > API keys, whether it was rolled or has expired"
            ),
            (None, Some(StatusCode::FORBIDDEN)) => tracing::error!(
                alarm = "stripe-key",
                status,
                said,
                "Stripe refuses STRIPE_API_KEY: see in Stripe's dashboard, Developers > API keys, whether it has \"Customer portal: Write\", and whether it is restricted to IP addresses that this server's is not among"
            ),
            _ if let Error::PortalNotAllowed(host) = &error => tracing::error!(
                alarm = "stripe-setup",
                host,
                "Stripe's page is on a host that customers are not sent to: if it is your own domain, put it into PORTAL_HOSTS"
            ),
            _ => tracing::error!(
                alarm = "stripe-setup",
                status,
                said,
                customer,
                "Stripe refuses what customers click on: see in Stripe's dashboard that Settings > Billing > Customer portal was saved once for this mode, that PORTAL_CONFIGURATION exists, and that the key is of the account that the events come from; `billhook doctor` looks at all of it"
            ),
        }
        ApiError::NotSetUp
    }
}

/// Whether the error is permanent until the operator fixes the configuration, so that a retry cannot help.
fn is_the_operators(error: &Error) -> bool {
    match error {
        Error::Refused { status, .. } => matches!(
            *status,
            StatusCode::BAD_REQUEST
                | StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
        ),
        Error::PortalNotAllowed(_) => true,
        _ => false,
    }
}

/// Masks an id for the log. The seller can choose ids, so an id may contain an e-mail address.
pub fn shown(id: &str) -> String {
    mask::masked(id)
}
