//! Opens Stripe's customer portal.

use std::{num::NonZeroU32, time::Instant};

use futures::FutureExt;
use reqwest::StatusCode;

use super::{
    super::{App, cards, mirror::Kind},
    Click, Refusal, TWO_CALLS, back, in_time,
    ownership::is_still_theirs,
    refused::{failed, shown},
    unavailable,
};
use crate::{
    model::Flow,
    store::{self, Principal, customer::Customer},
    stripe::client::{PortalSession, PortalUrl},
};

/// Opens Stripe's portal for the customer `id`, if it belongs to the principal. `client` is the client's IP address or network, and
/// `locale` the language of the portal. The timeout is counted from `arrived`.
///
/// For another principal's customer the error is the same as for an unknown one, and Stripe is not asked.
pub async fn open_portal(
    app: &App,
    principal: &Principal,
    id: &str,
    flow: Flow,
    locale: &str,
    client: &str,
    arrived: Instant,
) -> Result<PortalUrl, Refusal> {
    let click = Click::new(app, principal, client, arrived);
    in_time(click, arrived, click.portal(id, &flow, locale)).await
}

impl Click<'_> {
    async fn portal(self, id: &str, flow: &Flow, locale: &str) -> Result<PortalUrl, Refusal> {
        let owned = self.owned(id, flow).await?;
        let Some((customer, was)) = owned else {
            return Err(self.refuse(id));
        };
        self.spend()?;
        let looks = self
            .app
            .permissions
            .may_read(Kind::Customer, self.app.clock.now());
        let calls = if looks { TWO_CALLS } else { NonZeroU32::MIN };
        self.app
            .stripe
            .admit(&customer.id, calls)
            .await
            .map_err(failed(&customer))?;
        // Both calls run concurrently, which is quicker. If the customer is refused, the session is dropped here.
        let (made, is_theirs) =
            tokio::join!(self.make_portal(&customer, flow, locale, was), async {
                if looks {
                    is_still_theirs(self.app, self.principal, &customer, self.deadline).await
                } else {
                    Ok(true)
                }
            });
        if !is_theirs? {
            super::note_refusal(self.app, self.principal, id, self.client);
            return Err(crate::model::ApiError::NotFound.into());
        }
        made
    }

    /// Creates a portal session. The caller must have been admitted by the rate limit of Stripe's API (`admit`).
    pub(super) async fn make_portal(
        self,
        customer: &Customer,
        flow: &Flow,
        locale: &str,
        was: i64,
    ) -> Result<PortalUrl, Refusal> {
        let return_url = self.app.config.url(&back::path(&customer.id, was));
        let make = |flow| {
            let session = PortalSession {
                customer: &customer.id,
                return_url: &return_url,
                flow,
                locale,
                configuration: self.app.config.portal_configuration.as_deref(),
            };
            self.app
                .stripe
                .create_portal_session(session, self.deadline)
        };
        let made = match make(flow).await {
            // Stripe rejects a flow that the portal's settings do not allow, which cannot be known in advance. The fallback is the
            // portal's first page, which is always allowed.
            Err(error)
                if *flow != Flow::Home && error.status() == Some(StatusCode::BAD_REQUEST) =>
            {
                tracing::warn!(%error, ?flow, "the portal is opened at its first page instead");
                self.app
                    .stripe
                    .admit(&customer.id, NonZeroU32::MIN)
                    .await
                    .map_err(failed(customer))?;
                make(&Flow::Home).await
            }
            made => made,
        };
        let url = made.map_err(failed(customer))?;
        tracing::info!(
            session = self.principal.session(),
            customer = shown(&customer.id),
            "portal opened"
        );
        self.note_opened(&customer.id);
        Ok(url)
    }

    /// Returns the principal's customer with this id, if the flow is offered for it, and the newest Stripe second of its rows. The
    /// format of an id is not validated: an id is valid if a row has it.
    async fn owned(&self, id: &str, flow: &Flow) -> Result<Option<(Customer, i64)>, Refusal> {
        if !super::may_be_id(id) {
            return Ok(None);
        }
        let (whose, wanted) = (self.principal.clone(), id.to_owned());
        let (flow, now) = (flow.clone(), self.app.clock.now());
        self.app
            .store
            .read_as(self.principal, move |tx| {
                async move {
                    let offered = cards::offered(tx, &whose, &wanted, &flow, now).await?;
                    let Some(customer) = offered else {
                        return Ok(None);
                    };
                    let was = store::mirror::newest(tx, &customer.id).await?;
                    Ok(Some((customer, was)))
                }
                .boxed()
            })
            .await
            .map_err(unavailable)
    }
}
