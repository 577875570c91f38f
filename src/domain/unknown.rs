//! Asks Stripe for customers that events name and of whom nothing is known: they were made before the
//! webhook, or as an Account of the v2 API, for which no `customer.*` event need come.

use std::collections::BTreeSet;

use futures::FutureExt;

use super::{
    App,
    mirror::Kind,
    refetch,
    worker::{self, MOST_ATTEMPTS},
};
use crate::{
    mask,
    store::{self, Tx, customer::Customer, row},
    stripe::client,
};

/// Seconds after which a customer is asked for: most often its own event comes first, or just after the
/// one that names it.
const A_MOMENT: i64 = 2;
/// Customers that are asked for in one step, side by side.
const MOST: i64 = 8;
/// Seconds after which those of a worker that has died are taken by another.
const LEASE: i64 = 60;
/// Seconds until a key that may not read customers is tried again.
const NOT_ALLOWED_FOR: i64 = 60 * 60;

/// Notes those of these customers that nothing is known of.
pub async fn note(tx: &mut Tx, named: BTreeSet<String>, now: i64) -> store::Result<()> {
    let unknown = row::missing::<Customer>(tx, named).await?;
    let unknown: Vec<_> = unknown.iter().map(String::as_str).collect();
    store::unknown::note(tx, &unknown, now + A_MOMENT).await
}

/// Asks for some that are due. False when there are none.
pub async fn step(app: &App) -> store::Result<bool> {
    let now = app.clock.now();
    let claim = app.store.write(move |tx| {
        async move { store::unknown::claim(tx, now, now + LEASE, MOST).await }.boxed()
    });
    let claimed = claim.await?;
    let is_some = !claimed.is_empty();
    let asking = claimed
        .into_iter()
        .map(|(id, attempts)| ask(app, id, attempts));
    futures::future::try_join_all(asking).await?;
    Ok(is_some)
}

/// What becomes of one.
enum End {
    Known,
    /// At that second, or never.
    Again(Option<i64>),
}

async fn ask(app: &App, id: String, attempts: i64) -> store::Result<()> {
    let end = match is_known(app, &id).await? {
        true => End::Known,
        false => fetch(app, &id, attempts).await?,
    };
    app.store
        .write(move |tx| {
            async move {
                match end {
                    End::Known => store::unknown::forget(tx, &[&id]).await,
                    End::Again(due_at) => store::unknown::postpone(tx, &id, due_at).await,
                }
            }
            .boxed()
        })
        .await
}

async fn is_known(app: &App, id: &str) -> store::Result<bool> {
    let id = id.to_owned();
    let find = app
        .store
        .read(move |tx| async move { row::find::<Customer>(tx, &id).await }.boxed());
    Ok(find.await?.is_some())
}

async fn fetch(app: &App, id: &str, attempts: i64) -> store::Result<End> {
    let now = app.clock.now();
    if !app.permissions.may_read(Kind::Customer, now) {
        return Ok(End::Again(Some(now + NOT_ALLOWED_FOR)));
    }
    if let Some(rest) = app.stripe.rest() {
        let rest = i64::try_from(rest.as_secs()).unwrap_or(i64::MAX);
        return Ok(End::Again(Some(now.saturating_add(rest).saturating_add(1))));
    }
    let error = match refetch::fetch(&app.stripe, Kind::Customer, id).await {
        Ok(fetched) => {
            if refetch::keep(app, fetched).await? {
                let customer = mask::masked(id);
                tracing::info!(
                    customer,
                    "a customer that an event named was read from Stripe"
                );
                return Ok(End::Known);
            }
            client::Error::Unreadable
        }
        Err(error) => error,
    };
    if error.is_not_allowed() {
        app.permissions.refuse(Kind::Customer, now);
        return Ok(End::Again(Some(now + NOT_ALLOWED_FOR)));
    }
    tracing::warn!(%error, customer = mask::masked(id), "a customer that an event named could not be read");
    let is_over = error.is_not_there() || attempts >= MOST_ATTEMPTS;
    Ok(End::Again(
        (!is_over).then(|| now + worker::pause(attempts)),
    ))
}
