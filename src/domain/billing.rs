//! What a customer sees and opens: the list of their records, and Stripe's portal for one of them.

use futures::FutureExt;
use reqwest::StatusCode;

use super::{App, cards};
use crate::{
    model::{ApiError, CustomerView, Flow},
    store::{self, Principal},
    stripe::client::PortalUrl,
};

/// Every customer record under the principal's address. Stripe is not asked.
pub async fn customers(app: &App, principal: &Principal) -> store::Result<Vec<CustomerView>> {
    let whose = principal.clone();
    let now = app.clock.now();
    app.store
        .read_as(principal, move |tx| {
            async move {
                let customers = store::customer::list(tx, &whose).await?;
                cards::of(tx, customers, now).await
            }
            .boxed()
        })
        .await
}

/// Opens Stripe's portal for the customer `id`, if it is the principal's. Somebody else's is
/// answered like one that does not exist, and without asking Stripe.
pub async fn open_portal(
    app: &App,
    principal: &Principal,
    id: &str,
    flow: Flow,
) -> Result<PortalUrl, ApiError> {
    if !is_id(id) {
        return Err(ApiError::NotFound);
    }
    let (whose, wanted) = (principal.clone(), id.to_owned());
    let (asked, now) = (flow.clone(), app.clock.now());
    let customer = app
        .store
        .read_as(principal, move |tx| {
            async move {
                let customer = store::customer::owned(tx, &whose, &wanted).await?;
                match customer {
                    Some(customer) if cards::offers(tx, &customer, &asked, now).await? => {
                        Ok(Some(customer))
                    }
                    _ => Ok(None),
                }
            }
            .boxed()
        })
        .await
        .map_err(|error| {
            tracing::error!(%error, "the customer of a portal session could not be looked up");
            ApiError::Unavailable
        })?;
    let Some(customer) = customer else {
        tracing::warn!(
            session = principal.session(),
            "portal refused: not this address's customer, or not offered for it"
        );
        return Err(ApiError::NotFound);
    };
    let return_url = app.config.url("/billing");
    let open = |flow| {
        app.stripe
            .create_portal_session(&customer.id, &return_url, flow)
    };
    let opened = match open(&flow).await {
        // What the portal's settings do not allow cannot be known before; its first page always is.
        Err(error) if flow != Flow::Home && error.status() == Some(StatusCode::BAD_REQUEST) => {
            tracing::warn!(%error, ?flow, "the portal is opened at its first page instead");
            open(&Flow::Home).await
        }
        opened => opened,
    };
    match opened {
        Ok(url) => {
            tracing::info!(
                session = principal.session(),
                customer = customer.id,
                "portal opened"
            );
            Ok(url)
        }
        Err(error) => {
            tracing::error!(%error, customer = customer.id, "the portal could not be opened");
            Err(ApiError::Unavailable)
        }
    }
}

/// What may be an id of Stripe's. Anything else never reaches the database.
fn is_id(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
