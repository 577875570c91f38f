//! Checks at Stripe whether a customer still belongs to the principal. The mirror may be stale, since the webhook of a change may not have
//! arrived yet.

use std::time::{Duration, Instant};

use super::{
    super::{
        App,
        changes::Change,
        mirror::{Kind, Noun},
        refetch::{self, Fetched},
    },
    refused::{failed, shown},
};
use crate::{
    model::ApiError,
    store::{Principal, customer::Customer},
    stripe::{client, json, path},
};

/// How long to wait until an answer of Stripe's is newer than a row that was just written. Stripe's times have a resolution of one second.
const SECONDS_ARE_OVER: Duration = Duration::from_secs(4);

/// Asks Stripe whether the customer still belongs to the principal, since the webhook of a change may not have arrived yet. If it does not,
/// updates the stale row in the mirror. If the API key may not read customers, the row decides.
pub async fn is_still_theirs(
    app: &App,
    principal: &Principal,
    customer: &Customer,
    deadline: Instant,
) -> Result<bool, ApiError> {
    let Ok(path) = path::object(refetch::list_of(Kind::Customer), &customer.id) else {
        // The id cannot be put into a path of Stripe's API, so the row decides.
        return Ok(true);
    };
    let answer = match app.stripe.read_by(&path, &customer.id, deadline).await {
        Ok(answer) => answer,
        Err(error) if error.is_not_allowed() => {
            tracing::warn!(
                permission = error.permission(),
                "the key may not read customers: a change at Stripe counts for the portal when its event comes"
            );
            app.permissions.refuse(Kind::Customer, app.clock.now());
            return Ok(true);
        }
        // Stripe also returns deleted customers. One that it does not know belongs to another account or mode, which is no reason to
        // delete the row.
        Err(error) if error.is_not_there() => {
            tracing::error!(
                customer = shown(&customer.id),
                "portal refused: Stripe does not know this customer; is STRIPE_API_KEY of the account that the events come from?"
            );
            return Ok(false);
        }
        Err(error) => return Err(failed(customer)(error)),
    };
    let is_deleted = json::flag(&answer.body, "deleted");
    let is_theirs = match Customer::read(&answer.body) {
        Some(now) => now.email_normalised.as_deref() == Some(principal.email()),
        None if is_deleted => false,
        None => return Err(failed(customer)(client::Error::Unreadable)),
    };
    if is_theirs && !is_deleted {
        return Ok(true);
    }
    tracing::warn!(
        session = principal.session(),
        customer = shown(&customer.id),
        "portal refused: at Stripe the customer is not this address's any more"
    );
    let fetched = Fetched {
        kind: Kind::Customer,
        object: answer.body,
        as_of: answer.as_of,
    };
    // A task of its own, so that it continues after the timeout of the click.
    let mending = tokio::spawn(mend(app.clone(), customer.clone(), fetched));
    if mending.await.is_err() {
        tracing::error!(
            customer = shown(&customer.id),
            "the mirror could not be mended"
        );
    }
    Ok(false)
}

/// Updates a stale row of the mirror with Stripe's current customer. By the ordering rule a row of the same seconds is not overwritten. In
/// that case, fetches the customer once more after [`SECONDS_ARE_OVER`].
async fn mend(app: App, customer: Customer, fetched: Fetched) {
    let is_deleted = json::flag(&fetched.object, "deleted");
    let is_news = is_deleted || customer.stripe_at < fetched.as_of;
    keep(&app, &customer.id, fetched).await;
    // The previous address may no longer see the customer: notify its pages.
    let told = customer.email_normalised.clone().map(Change::Of);
    app.changes.tell_all(told.clone());
    if is_news {
        return;
    }
    tokio::spawn(async move {
        tokio::time::sleep(SECONDS_ARE_OVER).await;
        match refetch::fetch(&app.stripe, Kind::Customer, &customer.id).await {
            Ok(fetched) => {
                keep(&app, &customer.id, fetched).await;
                app.changes.tell_all(told);
            }
            Err(error) => {
                tracing::warn!(%error, customer = shown(&customer.id), "its event has to mend the mirror");
            }
        }
    });
}

pub async fn keep(app: &App, id: &str, fetched: Fetched) {
    match refetch::keep(app, fetched).await {
        Ok(true) => {}
        Ok(false) => tracing::error!(customer = shown(id), "Stripe's answer is no customer"),
        Err(error) => {
            tracing::error!(%error, customer = shown(id), "the mirror could not be mended");
        }
    }
}
