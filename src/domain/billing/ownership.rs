//! Whether a customer is still the principal's: the news of a change at Stripe may not have come yet.

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

/// After this an answer of Stripe's is newer than a row that was just written.
const SECONDS_ARE_OVER: Duration = Duration::from_secs(4);

/// Asks Stripe whether the customer is still the principal's: the news of a change may not have come
/// yet. If not, our row is mended. A key that may not read cannot know, and the row counts.
pub async fn is_still_theirs(
    app: &App,
    principal: &Principal,
    customer: &Customer,
    deadline: Instant,
) -> Result<bool, ApiError> {
    let Ok(path) = path::object(refetch::list_of(Kind::Customer), &customer.id) else {
        // Stripe cannot be asked by such an id, and the row counts.
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
        // Stripe remembers whom it has deleted. Whom it does not know is of another account or mode,
        // which is no reason to forget them.
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
    // A task of its own, which goes on should the time be up.
    let mending = tokio::spawn(mend(app.clone(), customer.clone(), fetched));
    if mending.await.is_err() {
        tracing::error!(
            customer = shown(&customer.id),
            "the mirror could not be mended"
        );
    }
    Ok(false)
}

/// Writes a customer as Stripe has it now. A row of the same seconds stays, by the ordering rule; that
/// one is read again when they are over.
async fn mend(app: App, customer: Customer, fetched: Fetched) {
    let is_deleted = json::flag(&fetched.object, "deleted");
    let is_news = is_deleted || customer.stripe_at < fetched.as_of;
    keep(&app, &customer.id, fetched).await;
    // What was written is shown to somebody else, or to nobody.
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
