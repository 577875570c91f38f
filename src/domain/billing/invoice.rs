//! Opens Stripe's hosted invoice page, where a customer pays an open invoice
//! (<https://docs.stripe.com/invoicing/hosted-invoice-page>).

use std::time::Instant;

use futures::FutureExt;

use super::{
    super::{
        App,
        mirror::Kind,
        refetch::{self, Fetched},
    },
    Click, Refusal, TWO_CALLS, in_time,
    ownership::{is_still_theirs, keep},
    refused::{failed, shown},
    unavailable,
};
use crate::{
    model::{ApiError, Flow},
    store::{self, Principal, customer::Customer, mirror::Invoice, row},
    stripe::{
        client::{Answer, PortalUrl},
        json, path,
    },
};

/// Where a click on *Pay* leads.
#[derive(Debug)]
pub enum Opened {
    /// The hosted invoice page, or the portal if the API key may not read invoices.
    Url(PortalUrl),
    /// The invoice is already paid or void.
    Settled,
}

/// Opens the page of an open invoice of the customer `id`, if both belong to the principal. Reads the invoice from Stripe first, since it
/// may have been paid meanwhile. See [`open_portal`](super::open_portal) for the other parameters and for errors.
pub async fn open_invoice(
    app: &App,
    principal: &Principal,
    id: &str,
    invoice: &str,
    locale: &str,
    client: &str,
    arrived: Instant,
) -> Result<Opened, Refusal> {
    let click = Click::new(app, principal, client, arrived);
    in_time(click, arrived, click.invoice(id, invoice, locale)).await
}

impl Click<'_> {
    async fn invoice(self, id: &str, invoice: &str, locale: &str) -> Result<Opened, Refusal> {
        let Some((customer, was)) = self.owned_with(id, invoice).await? else {
            return Err(self.refuse(id));
        };
        self.spend()?;
        self.app
            .stripe
            .admit(&customer.id, TWO_CALLS)
            .await
            .map_err(failed(&customer))?;
        let now = self.app.clock.now();
        let (answer, is_theirs) = tokio::join!(self.read(&customer, invoice), async {
            if self.app.permissions.may_read(Kind::Customer, now) {
                is_still_theirs(self.app, self.principal, &customer, self.deadline).await
            } else {
                Ok(true)
            }
        });
        if !is_theirs? {
            super::note_refusal(self.app, self.principal, id, self.client);
            return Err(ApiError::NotFound.into());
        }
        let Some(answer) = answer? else {
            let portal = self.make_portal(&customer, &Flow::Home, locale, was).await;
            return portal.map(Opened::Url);
        };
        let object = answer.body;
        if json::id(&object, "customer").as_deref() != Some(&customer.id) {
            return Err(self.refuse(id));
        }
        let status = json::text(&object, "status").unwrap_or_default();
        let url = json::text(&object, "hosted_invoice_url");
        let fetched = Fetched {
            kind: Kind::Invoice,
            object,
            as_of: answer.as_of,
        };
        if status != "open" {
            // The mirror is stale, since the webhook has not arrived yet: update it.
            keep(self.app, &customer.id, fetched).await;
        }
        if ["paid", "void"].contains(&status.as_str()) {
            return Ok(Opened::Settled);
        }
        let Some(url) = url else {
            let portal = self.make_portal(&customer, &Flow::Home, locale, was).await;
            return portal.map(Opened::Url);
        };
        let url = self
            .app
            .stripe
            .invoice_url(&url)
            .map_err(failed(&customer))?;
        tracing::info!(
            session = self.principal.session(),
            customer = shown(&customer.id),
            invoice,
            "invoice opened"
        );
        self.note_opened(&customer.id);
        Ok(Opened::Url(url))
    }

    /// Reads the current invoice from Stripe. `None` if the API key may not read it, or Stripe does not have it.
    async fn read(&self, customer: &Customer, invoice: &str) -> Result<Option<Answer>, ApiError> {
        let now = self.app.clock.now();
        if !self.app.permissions.may_read(Kind::Invoice, now) {
            return Ok(None);
        }
        let Ok(path) = path::object(refetch::list_of(Kind::Invoice), invoice) else {
            return Ok(None);
        };
        let read = self.app.stripe.read_by(&path, &customer.id, self.deadline);
        match read.await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_not_allowed() => {
                tracing::warn!(
                    permission = error.permission(),
                    "the key may not read invoices: the portal is opened instead of the page of the invoice"
                );
                self.app.permissions.refuse(Kind::Invoice, now);
                Ok(None)
            }
            Err(error) if error.is_not_there() => Ok(None),
            Err(error) => Err(failed(customer)(error)),
        }
    }

    /// Returns the principal's customer, if the invoice belongs to it, and the newest Stripe second of the customer's rows.
    async fn owned_with(
        &self,
        id: &str,
        invoice: &str,
    ) -> Result<Option<(Customer, i64)>, Refusal> {
        if ![id, invoice].into_iter().all(super::may_be_id) {
            return Ok(None);
        }
        let (whose, id, invoice) = (self.principal.clone(), id.to_owned(), invoice.to_owned());
        self.app
            .store
            .read_as(self.principal, move |tx| {
                async move {
                    let Some(customer) = store::customer::owned(tx, &whose, &id).await? else {
                        return Ok(None);
                    };
                    let found = row::find::<Invoice>(tx, &invoice).await?;
                    let is_theirs = found.is_some_and(|row| {
                        row.customer_id.as_ref() == Some(&customer.id) && row.deleted_at.is_none()
                    });
                    let was = store::mirror::newest(tx, &customer.id).await?;
                    Ok(is_theirs.then_some((customer, was)))
                }
                .boxed()
            })
            .await
            .map_err(unavailable)
    }
}
