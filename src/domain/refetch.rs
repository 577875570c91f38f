//! Reads the current state of an object from Stripe: where an event is truncated or lacks something, or where the order of
//! events of one second is ambiguous.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use serde_json::{Value, json};

use super::{
    App,
    changes::Gathered,
    devices, erase,
    mirror::{EmbeddedObjects, Kind, Noun, Source, in_embedded, with_noun},
};
use crate::{
    mask::shows,
    store::{self, Tx},
    stripe::{Client, client, event, json, path},
};

/// An object as Stripe returned it, with its truncated lists completed.
#[derive(Clone, PartialEq)]
pub struct Fetched {
    pub kind: Kind,
    pub object: Value,
    /// See [`client::Answer::as_of`].
    pub as_of: i64,
}

shows!(Fetched: kind, as_of);

/// Reads one object and completes its truncated lists. `id` is the event's `object_id`.
pub async fn fetch(stripe: &Client, kind: Kind, id: &str) -> Result<Fetched, client::Error> {
    let about = kind.about();
    match about.source {
        Source::OfCustomer(_) => {
            let customer = id.strip_suffix("/entitlements").unwrap_or(id);
            return entitlements(stripe, customer).await;
        }
        Source::Inside | Source::Closed(_) => return Err(client::Error::NoPath),
        Source::List(_) | Source::ById(_) => {}
    }
    let expand: Vec<_> = about
        .expand
        .iter()
        .map(|field| ("expand[]", *field))
        .collect();
    let path = path::object(list_of(kind), id)?;
    let answer = stripe.read(&path, &expand).await?;
    let mut fetched = Fetched {
        kind,
        object: answer.body,
        as_of: answer.as_of,
    };
    complete(stripe, &mut fetched).await?;
    Ok(fetched)
}

/// Reads the rest of a truncated list in an object. Marks an expandable field that was requested and is absent as empty, so
/// that "none" differs from "not known".
pub async fn complete(stripe: &Client, fetched: &mut Fetched) -> Result<(), client::Error> {
    if fetched.kind == Kind::Coupon
        && let Some(map) = fetched.object.as_object_mut()
    {
        map.entry("applies_to").or_insert(Value::Null);
    }
    let id = json::text(&fetched.object, "id").unwrap_or_default();
    if fetched.kind == Kind::Subscription && json::is_cut(&fetched.object, "items") {
        let (items, as_of) = stripe
            .all("v1/subscription_items", &[("subscription", &id)])
            .await?;
        fetched.as_of = fetched.as_of.min(as_of);
        if let Some(map) = fetched.object.as_object_mut() {
            map.insert("items".to_owned(), items);
        }
    }
    Ok(())
}

async fn entitlements(stripe: &Client, customer: &str) -> Result<Fetched, client::Error> {
    let (list, as_of) = stripe
        .all(
            "v1/entitlements/active_entitlements",
            &[("customer", customer)],
        )
        .await?;
    Ok(Fetched {
        kind: Kind::EntitlementSummary,
        object: json!({
            "object": "entitlements.active_entitlement_summary",
            "customer": customer,
            "entitlements": list,
        }),
        as_of,
    })
}

/// The path of Stripe's list endpoint of a noun.
pub const fn list_of(kind: Kind) -> &'static str {
    kind.about().list
}

/// What was written of some objects.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Written {
    pub changed: Gathered,
    /// Addresses that a customer no longer has.
    pub left: BTreeSet<String>,
    /// The ids of objects that could not be read, or their `object` type where they have no id.
    pub unreadable: Vec<String>,
}

shows!(Written: changed, unreadable);

/// Locks these objects and the objects inside them against other transactions.
pub async fn lock(tx: &mut Tx, objects: &[Value]) -> store::Result<()> {
    let mut ids: Vec<_> = objects.iter().filter_map(event::object_id).collect();
    let mut seen = EmbeddedObjects::default();
    objects.iter().for_each(|object| seen.gather(object, 0, 0));
    in_embedded!(seen, rows => ids.extend(rows.into_keys()));
    // In the same lock order as events take: the table of erased ids first. Another order could deadlock.
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    store::erased::lock(tx, &ids).await.map(drop)
}

/// Writes objects of one kind that were read from Stripe, and the objects inside them. It skips rows that are at least as new
/// and objects of an erased customer.
pub async fn write(
    tx: &mut Tx,
    kind: Kind,
    objects: &[Value],
    as_of: i64,
    livemode: bool,
) -> store::Result<Written> {
    let mut written = Written::default();
    let objects = erase::spared(tx, objects).await?;
    with_noun!(kind, Noun => {
        let mut rows = Vec::with_capacity(objects.len());
        for object in &objects {
            match read::<Noun>(object, as_of, livemode) {
                Some(row) => rows.push(row),
                None => written.unreadable.push(
                    json::text(object, "id").unwrap_or_else(|| "an object without an id".to_owned()),
                ),
            }
        }
        for (before, row) in write_news(tx, rows).await? {
            written.changed.note_change(before.as_ref(), &row);
        }
    });
    let mut seen = EmbeddedObjects::default();
    for object in objects {
        seen.gather(object, livemode.into(), as_of);
    }
    // A read is as authoritative as the object's own event.
    in_embedded!(seen, rows => {
        let rows = rows.into_values().map(|row| row.seen(None));
        write_news(tx, rows.collect()).await?;
    });
    written.left = written.changed.take_left();
    Ok(written)
}

fn read<M: Noun>(object: &Value, as_of: i64, livemode: bool) -> Option<M> {
    if json::flag(object, "deleted") {
        let id = json::text(object, "id")?;
        return Some(M::gone(&id, livemode.into(), as_of));
    }
    let row = std::panic::catch_unwind(|| M::read(object)).unwrap_or_default()?;
    Some(row.stamped(livemode.into(), as_of))
}

/// Writes the rows that are newer than the stored ones in one batch. Returns each with its previous row.
async fn write_news<M: Noun>(tx: &mut Tx, rows: Vec<M>) -> store::Result<Vec<(Option<M>, M)>> {
    let rows: BTreeMap<String, M> = rows
        .into_iter()
        .map(|row| (row.id().to_owned(), row))
        .collect();
    let ids: Vec<_> = rows.keys().map(String::as_str).collect();
    let mut present: BTreeMap<_, _> = M::load(tx, &ids)
        .await?
        .into_iter()
        .map(|row| (row.id().to_owned(), row))
        .collect();
    let merged = |row: M| match present.get(row.id()) {
        None => Some(row),
        Some(known) => merged(known, row),
    };
    let news: Vec<_> = rows.into_values().filter_map(merged).collect();
    M::save(tx, &news.iter().collect::<Vec<_>>()).await?;
    Ok(news
        .into_iter()
        .map(|row| (present.remove(row.id()), row))
        .collect())
}

/// Merges a read object into the stored row. `None` where nothing changes.
fn merged<M: Noun>(known: &M, read: M) -> Option<M> {
    let is_gone = known.deleted_at().is_some();
    let is_newer = known.seen_at().is_some() || known.stripe_at() < read.stripe_at();
    if M::KEEPS {
        let deleted_at = known.deleted_at().or(read.deleted_at());
        // Stripe returns a deleted object without its fields.
        let fields = match is_newer && read.seen_at().is_none() {
            true => read.completed(known),
            false => known.clone().completed(&read),
        };
        let row = fields.with_deleted_at(deleted_at);
        return (row != *known).then_some(row);
    }
    match read.deleted_at() {
        _ if is_gone => None,
        Some(_) => Some(read),
        None if is_newer => Some(read.completed(known)),
        // An older read may still fill fields that are not known yet.
        None => {
            let filled = known.clone().completed(&read);
            (filled != *known).then_some(filled)
        }
    }
}

/// Writes a read object in its own transaction, and notifies open pages. Returns false where it is not an object of that kind.
pub async fn keep(app: &App, fetched: Fetched) -> store::Result<bool> {
    let (livemode, now) = (app.config.livemode(), app.clock.now());
    let written = app
        .store
        .write(move |tx| {
            async move {
                let Fetched {
                    kind,
                    object,
                    as_of,
                } = fetched;
                let objects = [object];
                lock(tx, &objects).await?;
                let written = write(tx, kind, &objects, as_of, livemode).await?;
                devices::end_orphans(tx, &written.left, livemode, now).await?;
                Ok(written)
            }
            .boxed()
        })
        .await?;
    app.changes.tell_committed(&app.store, written.changed);
    Ok(written.unreadable.is_empty())
}
