//! Fetches objects from Stripe that events refer to and that the mirror lacks or knows only in part. A customer may have been created
//! before the webhook endpoint, or as an Account of the v2 API, for which Stripe may send no `customer.*` event. The other objects of a
//! card may also be older than the webhook endpoint.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::{
    App,
    mirror::{EmbeddedObjects, Kind, Noun},
    refetch,
    worker::{self, MOST_ATTEMPTS},
};
use crate::{
    mask,
    store::{
        self, Tx,
        customer::Customer,
        mirror::{Coupon, Discount, PaymentMethod, Price, Product, SubscriptionState},
        missing_objects::Unknown,
        row::{self, Row},
    },
    stripe::{Event, client},
};

/// Seconds before a missing object is fetched. Usually its own event arrives before the one that names it, or just after it, and then
/// no fetch is needed.
const A_MOMENT: i64 = 2;
/// Batch size: objects that one step fetches, concurrently.
const MOST: i64 = 8;
/// The lease on a claimed object, in seconds. If a worker dies, another one can claim its objects after that.
const LEASE: i64 = 60;
/// The kinds of objects that are fetched.
const KINDS: [Kind; 6] = [
    Kind::Customer,
    Kind::Subscription,
    Kind::Price,
    Kind::Product,
    Kind::Coupon,
    Kind::PaymentMethod,
];

/// Ids of objects that events name, by kind.
type Named = BTreeMap<Kind, BTreeSet<String>>;

/// Queues the objects that these events name and that the mirror lacks or knows only in part, to be fetched.
pub async fn note(tx: &mut Tx, events: &[&Event], now: i64) -> store::Result<()> {
    for (kind, ids) in named(events) {
        let lacking = lacking(tx, kind, ids).await?;
        let lacking: Vec<_> = lacking.iter().map(String::as_str).collect();
        store::missing_objects::note(tx, refetch::list_of(kind), &lacking, now + A_MOMENT).await?;
    }
    Ok(())
}

/// Removes customers from the queue, so that they are not fetched.
pub async fn forget(tx: &mut Tx, customers: &[&str]) -> store::Result<()> {
    store::missing_objects::forget(tx, refetch::list_of(Kind::Customer), customers).await
}

fn named(events: &[&Event]) -> Named {
    let mut named = Named::new();
    let mut name = |kind: Kind, ids: &mut dyn Iterator<Item = String>| {
        named.entry(kind).or_default().extend(ids);
    };
    for event in events {
        let kind = Kind::of_type(&event.r#type);
        if kind != Some(Kind::Customer) {
            name(Kind::Customer, &mut event.customer_id().into_iter());
        }
        // The objects that a deleted object names are no longer needed.
        if event.r#type.ends_with(".deleted") {
            continue;
        }
        let mut seen = EmbeddedObjects::default();
        seen.gather(&event.object, 0, 0);
        let own_price: Option<Price> = Noun::read(&event.object);
        let prices = seen.prices.values().chain(&own_price);
        name(
            Kind::Product,
            &mut prices.filter_map(|row| row.product_id.clone()),
        );
        name(Kind::Price, &mut seen.prices.keys().cloned());
        let own_discount: Option<Discount> = Noun::read(&event.object);
        let discounts = seen.discounts.values().chain(&own_discount);
        name(
            Kind::Coupon,
            &mut discounts.filter_map(|row| row.coupon_id.clone()),
        );
        match kind {
            Some(Kind::Subscription) => {
                if let Some(state) = SubscriptionState::read(&event.object) {
                    let has_discounts = state.row.discounts.is_some()
                        || state.items.iter().any(|item| item.discounts.is_some());
                    let id = has_discounts.then(|| state.row.id.clone());
                    name(Kind::Subscription, &mut id.into_iter());
                    let method = state.row.default_payment_method;
                    name(Kind::PaymentMethod, &mut method.into_iter());
                }
            }
            Some(Kind::Customer) => {
                let row: Option<Customer> = Noun::read(&event.object);
                let method = row.and_then(|row| row.default_payment_method);
                name(Kind::PaymentMethod, &mut method.into_iter());
            }
            _ => {}
        }
    }
    named.retain(|_, ids| !ids.is_empty());
    named
}

/// The given ids whose objects the mirror lacks or knows only in part.
async fn lacking(
    tx: &mut Tx,
    kind: Kind,
    ids: BTreeSet<String>,
) -> store::Result<BTreeSet<String>> {
    match kind {
        Kind::Customer => row::missing::<Customer>(tx, ids).await,
        Kind::PaymentMethod => row::missing::<PaymentMethod>(tx, ids).await,
        Kind::Price => row::unsettled::<Price>(tx, ids, Price::SETTLED).await,
        Kind::Product => row::missing::<Product>(tx, ids).await,
        Kind::Coupon => row::unsettled::<Coupon>(tx, ids, Coupon::SETTLED).await,
        Kind::Subscription => with_unknown_discounts(tx, ids).await,
        _ => Ok(BTreeSet::new()),
    }
}

/// The given subscriptions that name an unknown discount. The subscription is fetched instead of the discount, since Stripe's API cannot
/// retrieve a discount by its id (<https://docs.stripe.com/api/discounts>).
async fn with_unknown_discounts(
    tx: &mut Tx,
    ids: BTreeSet<String>,
) -> store::Result<BTreeSet<String>> {
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let mut of_subscription = BTreeMap::new();
    for state in SubscriptionState::load(tx, &ids).await? {
        let lists = state
            .items
            .iter()
            .map(|item| &item.discounts)
            .chain([&state.row.discounts]);
        let named: BTreeSet<_> = lists
            .filter_map(|list| serde_json::from_str::<Vec<String>>(list.as_deref()?).ok())
            .flatten()
            .collect();
        of_subscription.insert(state.row.id, named);
    }
    let all = of_subscription.values().flatten().cloned().collect();
    let unknown = row::missing::<Discount>(tx, all).await?;
    of_subscription.retain(|_, named| !named.is_disjoint(&unknown));
    Ok(of_subscription.into_keys().collect())
}

/// Claims a batch of objects that are due, and fetches them. `false` if none is due, or while Stripe is not to be asked (circuit breaker
/// open, or `Retry-After`).
pub async fn step(app: &App) -> store::Result<bool> {
    let now = app.clock.now();
    if app.stripe.rest().is_some() {
        return Ok(false);
    }
    let lists: Vec<_> = KINDS
        .into_iter()
        .filter(|kind| app.permissions.may_read(*kind, now))
        .map(refetch::list_of)
        .collect();
    let claim = app.store.write(move |tx| {
        async move { store::missing_objects::claim(tx, &lists, now, now + LEASE, MOST).await }
            .boxed()
    });
    let claimed = claim.await?;
    let is_some = !claimed.is_empty();
    futures::future::try_join_all(claimed.into_iter().map(|unknown| ask(app, unknown))).await?;
    Ok(is_some)
}

/// What happens to a claimed object.
enum End {
    Known,
    /// Retry at that second, or never.
    Again(Option<i64>),
}

async fn ask(app: &App, unknown: Unknown) -> store::Result<()> {
    let kind = KINDS
        .into_iter()
        .find(|kind| refetch::list_of(*kind) == unknown.list);
    let end = match kind {
        Some(kind) if is_lacking(app, kind, &unknown.id).await? => {
            fetch(app, kind, &unknown.id, unknown.attempts).await?
        }
        _ => End::Known,
    };
    app.store
        .write(move |tx| {
            async move {
                let Unknown { list, id, .. } = &unknown;
                match end {
                    End::Known => store::missing_objects::forget(tx, list, &[id]).await,
                    End::Again(due_at) => {
                        store::missing_objects::postpone(tx, list, id, due_at).await
                    }
                }
            }
            .boxed()
        })
        .await
}

async fn is_lacking(app: &App, kind: Kind, id: &str) -> store::Result<bool> {
    let ids = BTreeSet::from([id.to_owned()]);
    let look = app
        .store
        .read(move |tx| async move { lacking(tx, kind, ids).await }.boxed());
    Ok(!look.await?.is_empty())
}

async fn fetch(app: &App, kind: Kind, id: &str, attempts: i64) -> store::Result<End> {
    let now = app.clock.now();
    // The seller can choose ids, so an id may contain an e-mail address: mask it in the log.
    let shown = mask::masked(id);
    let error = match refetch::fetch(&app.stripe, kind, id).await {
        Ok(fetched) => {
            if refetch::keep(app, fetched).await? {
                tracing::info!(
                    ?kind,
                    id = shown,
                    "what an event named was read from Stripe"
                );
                // If the object is still incomplete, Stripe has no more data: do not retry.
                return Ok(match is_lacking(app, kind, id).await? {
                    true => End::Again(None),
                    false => End::Known,
                });
            }
            client::Error::Unreadable
        }
        Err(error) => error,
    };
    if error.is_not_allowed() {
        // Concurrent fetches of the same kind are all refused. Only the first of them logs.
        if app.permissions.may_read(kind, now) {
            tracing::warn!(
                ?kind,
                permission = error.permission(),
                "the key may not read what events name, so cards lack it: in Stripe's dashboard, Developers > API keys, add the permission to the key"
            );
        }
        app.permissions.refuse(kind, now);
        return Ok(End::Again(Some(now)));
    }
    tracing::warn!(%error, ?kind, id = shown, "what an event named could not be read");
    let is_over = error.is_not_there() || attempts >= MOST_ATTEMPTS;
    Ok(End::Again(
        (!is_over).then(|| now + worker::pause(attempts)),
    ))
}
