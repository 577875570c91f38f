//! What a customer sees and opens: the list of their records, and Stripe's portal for one of them.

use futures::FutureExt;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::App;
use crate::{
    model::{ApiError, CustomerState, CustomerView, Flow},
    store::{self, Principal, customer::Customer},
    stripe::client::PortalUrl,
};

/// Every customer record under the principal's address. Stripe is not asked.
pub async fn customers(app: &App, principal: &Principal) -> store::Result<Vec<CustomerView>> {
    let whose = principal.clone();
    let rows = app
        .store
        .read_as(principal, move |tx| {
            async move { store::customer::list(tx, &whose).await }.boxed()
        })
        .await?;
    Ok(rows.into_iter().map(view).collect())
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
    let customer = app
        .store
        .read_as(principal, move |tx| {
            async move { store::customer::owned(tx, &whose, &wanted).await }.boxed()
        })
        .await
        .map_err(|error| {
            tracing::error!(%error, "the customer of a portal session could not be looked up");
            ApiError::Unavailable
        })?;
    let Some(customer) = customer else {
        tracing::warn!(
            session = principal.session(),
            "portal refused: not this address's customer"
        );
        return Err(ApiError::NotFound);
    };
    let return_url = app.config.url("/billing");
    let opened = app
        .stripe
        .create_portal_session(&customer.id, &return_url, flow)
        .await;
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

fn view(row: Customer) -> CustomerView {
    let email = row.email.unwrap_or_default();
    let named = [row.name, row.description]
        .into_iter()
        .flatten()
        .find(|text| !text.trim().is_empty());
    CustomerView {
        title: named.unwrap_or_else(|| email.clone()),
        created: row.created,
        created_day: day(row.created, format_description!("[year]-[month]-[day]")),
        created_text: day(
            row.created,
            format_description!("[day padding:none] [month repr:long] [year]"),
        ),
        state: match row.delinquent {
            0 => CustomerState::UpToDate,
            _ => CustomerState::PaymentOverdue,
        },
        id: row.id,
        email,
    }
}

/// A day in UTC, or nothing where the number is no time.
fn day(unix: i64, format: &[BorrowedFormatItem<'_>]) -> String {
    OffsetDateTime::from_unix_timestamp(unix)
        .ok()
        .and_then(|time| time.format(format).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_in_utc_and_nonsense_is_nothing() {
        let view = |created| {
            view(Customer {
                created,
                ..Customer::default()
            })
        };
        assert_eq!(view(1_804_032_000).created_text, "3 March 2027");
        assert_eq!(view(1_804_032_000).created_day, "2027-03-03");
        assert_eq!(view(i64::MAX).created_text, "");
    }

    #[test]
    fn a_card_is_titled_by_name_else_description_else_address() {
        let row = |name: Option<&str>, description: Option<&str>| Customer {
            email: Some("ada@example.com".to_owned()),
            name: name.map(str::to_owned),
            description: description.map(str::to_owned),
            ..Customer::default()
        };
        assert_eq!(view(row(Some("Ada"), Some("x"))).title, "Ada");
        assert_eq!(view(row(Some(" "), Some("x"))).title, "x");
        assert_eq!(view(row(None, None)).title, "ada@example.com");
    }
}
