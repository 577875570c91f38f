//! Erases a person (GDPR, right to erasure): deletes all data about an address in one transaction, and prevents that it comes back. Nothing
//! changes at Stripe.
//!
//! Customers and their objects become tombstones. Events that name them or the address keep only their ids. The database remembers the ids
//! of all of it, and later data about them is ignored, whether from a retried event, an import, or a new event. A customer that is later
//! created under the same address has another id, and is treated like any other.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use serde_json::Value;

use super::{
    App,
    address_search::Mention,
    audit::{self, What},
    changes::Change,
    delivery, email,
    keys::Keys,
    known_device, limits,
    mirror::{Kind, Noun, OWNER_FIELDS, Owner, Shown, with_noun},
    missing_objects,
};
use crate::{
    clock,
    store::{
        self, Tx,
        customer::Customer,
        erased::{Ids, Own, Trace},
        erasures::{self, Erasure},
        row,
    },
    stripe::{
        Event, event,
        json::{id, text, text_at},
    },
};

/// Batch size: events that one query searches for the address.
const AT_ONCE: i64 = 2_000;
/// Batch size: events whose payloads are parsed in one transaction.
const AT_ONCE_WHOLE: usize = 16;

/// The field by which most objects name their customer.
const CUSTOMER: &str = "customer";

/// The column that stores a field of [`Owner::Fields`].
fn column(field: &str) -> String {
    format!("{field}_id")
}

/// The tables of objects that belong to customers.
pub(super) fn tables() -> Vec<&'static str> {
    let abouts = Kind::ALL.into_iter().map(Kind::about);
    abouts
        .filter(|about| matches!(about.owner, Owner::Fields(_)))
        .map(|about| about.table)
        .collect()
}

/// The data that is kept about an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub customers: Vec<String>,
    /// Subscriptions, invoices and the like.
    pub records: usize,
    /// Events whose payloads are still kept.
    pub payloads: usize,
    /// Events about other people that mention the address and are not yet applied. They are not erased, since applying them needs their
    /// payloads.
    pub waiting: usize,
    pub own: Own,
}

/// Returns what [`erase`] would erase (a dry run).
pub async fn look(app: &App, address: &str) -> store::Result<Found> {
    let mentions = mentions(app, address).await?;
    let address = address.to_owned();
    app.store
        .read(move |tx| {
            async move {
                let person = gather(tx, Some(&address), &mentions, &Ids::default()).await?;
                Ok(person.found)
            }
            .boxed()
        })
        .await
}

/// Erases all data about a normalised address, and returns what it erased.
pub async fn erase(app: &App, address: &str) -> store::Result<Found> {
    let mentions = mentions(app, address).await?;
    let (now, livemode) = (app.clock.now(), app.config.livemode());
    let entry = audit::entry(&app.keys, now, What::Erased, address);
    let of = address.to_owned();
    let (config, keys) = (app.config.clone(), app.keys.clone());
    let found = app
        .store
        .write(move |tx| {
            async move {
                store::erased::begin(tx).await?;
                // A concurrent sign-in with the address waits for this lock.
                tx.lock(&[&of]).await?;
                let person = gather(tx, Some(&of), &mentions, &Ids::default()).await?;
                person.forget(tx, now, livemode).await?;
                forget_own(tx, &keys, &of, now).await?;
                let Found {
                    customers,
                    records,
                    payloads,
                    ..
                } = &person.found;
                let count = customers.len();
                let entry = entry.about(&format!(
                    "by the operator: {count} customers, {records} records, {payloads} payloads"
                ));
                store::audit::insert(tx, &entry).await?;
                let erasure = Erasure {
                    id: clock::new_id("era"),
                    at: now,
                    livemode,
                    address: erasures::hash_of_address(&of),
                    ids: person
                        .ids()
                        .iter()
                        .map(|id| erasures::hash_of_id(id))
                        .collect(),
                };
                store::erased::note(tx, &erasure.id, now).await?;
                // Last, before the commit. If the append fails, the transaction rolls back and the operator gets the error. If the
                // commit fails after the append, the next start repeats the erasure.
                erasures::append(&config, &erasure)?;
                Ok(person.found)
            }
            .boxed()
        })
        .await?;
    app.changes.tell(Change::Of(address.to_owned()));
    // The erasure is committed in any case.
    if let Err(error) = store::erased::forget_log(&app.store).await {
        tracing::warn!(%error, "the write-ahead log could not be emptied; it is overwritten in its time");
    }
    Ok(found)
}

/// Deletes the program's own data about an address, and revokes the cookies of its known devices. The hash that marks the revocation is
/// kept, since without it those cookies would be valid again.
pub(super) async fn forget_own(
    tx: &mut Tx,
    keys: &Keys,
    address: &str,
    now: i64,
) -> store::Result<()> {
    let allowances = limits::address_names(keys, address);
    let allowances: Vec<_> = allowances.iter().map(String::as_str).collect();
    store::erased::delete_own(tx, address, &allowances).await?;
    for name in delivery::names(keys, address) {
        store::progress::forget(tx, &name).await?;
    }
    known_device::end_all(tx, keys, address, now).await
}

/// The ids of the events whose payloads mention the address. Searches in batches, since there may be many events.
pub(super) async fn mentions(app: &App, address: &str) -> store::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let (text, from) = (address.to_owned(), after.clone());
        let part = app.store.read(move |tx| {
            async move { store::erased::mentions(tx, &text, &from, AT_ONCE).await }.boxed()
        });
        let part = part.await?;
        let Some((last, _)) = part.last() else {
            return Ok(found);
        };
        after.clone_from(last);
        let mut perhaps = Vec::new();
        for (id, is_in) in part {
            match is_in {
                store::erased::MENTIONED => found.push(id),
                store::erased::PERHAPS => perhaps.push(id),
                _ => {}
            }
        }
        for some in perhaps.chunks(AT_ONCE_WHOLE) {
            found.extend(mentioned_in(app, address, some.to_vec()).await?);
        }
    }
}

/// The ids of the given events whose payloads contain the address, in any spelling that JSON and international domains allow.
async fn mentioned_in(app: &App, address: &str, ids: Vec<String>) -> store::Result<Vec<String>> {
    let mention = Mention::of(address);
    app.store
        .read(move |tx| {
            async move {
                let mut found = Vec::new();
                for id in ids {
                    let row = store::event::find(tx, &id).await?;
                    if row.is_some_and(|row| mention.is_in(&row.payload)) {
                        found.push(id);
                    }
                }
                Ok(found)
            }
            .boxed()
        })
        .await
}

/// Everything to erase, by id.
#[derive(Debug, Default)]
pub(super) struct Person {
    pub(super) found: Found,
    /// The person's objects in the mirror.
    records: BTreeMap<Kind, BTreeSet<String>>,
    /// Ids of objects that are not mirrored, such as charges.
    others: BTreeSet<String>,
    events: BTreeSet<String>,
}

/// Collects everything that belongs to the address, if one is given, and of the ids in `also` everything that belongs to no other customer.
pub(super) async fn gather(
    tx: &mut Tx,
    address: Option<&str>,
    mentions: &[String],
    also: &Ids,
) -> store::Result<Person> {
    let mut customers = also.customers.clone();
    let mentions = store::erased::events(tx, &refs(mentions)).await?;
    let mut unclaimed = Vec::new();
    if let Some(address) = address {
        customers.extend(store::customer::ids_of_address(tx, address).await?);
        unclaimed = self::unclaimed(tx, &mentions, address).await?;
    }
    customers.extend(
        unclaimed
            .iter()
            .filter_map(|event| event.customer_id.clone()),
    );
    let about = store::erased::events_of_customers(tx, &refs(&customers)).await?;
    let named: BTreeSet<_> = about
        .iter()
        .filter_map(|event| event.object_id.clone())
        .chain(also.objects.iter().cloned())
        .collect();
    let guests = unclaimed.iter().filter_map(|event| event.object_id.clone());
    let mut theirs = Theirs {
        candidates: guests.chain(named.iter().cloned()).collect(),
        foreign: BTreeSet::new(),
        customers: &customers,
    };
    let mut person = Person::default();
    for kind in Kind::ALL {
        let about = kind.about();
        if about.owner.fields().contains(&CUSTOMER) {
            let found = with_noun!(kind, N => theirs.find::<N>(tx).await?);
            person.records.insert(kind, found);
        }
    }
    person.others = named.difference(&theirs.foreign).cloned().collect();
    // Objects without a customer field belong to the person if they name one of the person's objects.
    for kind in Kind::ALL {
        let about = kind.about();
        for field in about
            .owner
            .fields()
            .iter()
            .filter(|name| **name != CUSTOMER)
        {
            let theirs: BTreeSet<_> = person.records().chain(&person.others).collect();
            let column = column(field);
            let found = store::erased::rows_by(tx, about.table, &column, &refs(theirs)).await?;
            person.records.entry(kind).or_default().extend(found);
        }
    }
    person.found.customers = customers.into_iter().collect();
    person.found.records = person.records().count();
    if let Some(address) = address {
        person.found.own = store::erased::own(tx, address).await?;
    }
    person.find_events(tx, about, mentions).await?;
    Ok(person)
}

/// The given events that belong to a person with the address but to no customer in the mirror: events about a guest, or about a customer
/// that was deleted or was never mirrored.
async fn unclaimed<'e>(
    tx: &mut Tx,
    events: &'e [Trace],
    address: &str,
) -> store::Result<Vec<&'e Trace>> {
    let named: BTreeSet<_> = events
        .iter()
        .filter_map(|event| event.customer_id.as_ref())
        .collect();
    let mut known = row::find_all::<Customer>(tx, &refs(named)).await?;
    known.retain(|row| row.deleted_at.is_none());
    let known: BTreeSet<_> = known.into_iter().map(|row| row.id).collect();
    let mut unclaimed = Vec::new();
    for trace in events {
        if trace
            .customer_id
            .as_ref()
            .is_some_and(|id| known.contains(id))
        {
            continue;
        }
        let row = store::event::find(tx, &trace.id).await?;
        let event = row.and_then(|row| Event::parse(row.payload.as_bytes()).ok());
        if event.is_some_and(|event| is_of(&event.object, address)) {
            unclaimed.push(trace);
        }
    }
    Ok(unclaimed)
}

/// Whether an object belongs to a person with the address. Only these fields count: elsewhere the object may mention the address for
/// another reason.
fn is_of(object: &Value, address: &str) -> bool {
    let own = match text(object, "object").as_deref() {
        Some("customer") => text(object, "email"),
        _ => None,
    };
    let named = [
        "/customer_email",
        "/receipt_email",
        "/customer_details/email",
        "/billing_details/email",
    ];
    own.into_iter()
        .chain(named.into_iter().filter_map(|path| text_at(object, path)))
        .any(|text| email::normalise(&text) == address)
}

/// Finds the objects that belong to these customers, or to no other customer.
struct Theirs<'a> {
    customers: &'a BTreeSet<String>,
    /// Ids of objects that events about them name.
    candidates: BTreeSet<String>,
    /// The candidates that now belong to another customer.
    foreign: BTreeSet<String>,
}

impl Theirs<'_> {
    async fn find<M: Noun>(&mut self, tx: &mut Tx) -> store::Result<BTreeSet<String>> {
        let (column, customers) = (column(CUSTOMER), refs(self.customers));
        let found = store::erased::rows_by(tx, M::TABLE, &column, &customers).await?;
        let mut found: BTreeSet<_> = found.into_iter().collect();
        for row in M::load(tx, &refs(&self.candidates)).await? {
            match row.shown() {
                Shown::ToCustomer(other) if !self.customers.contains(other) => {
                    self.foreign.insert(row.id().to_owned());
                }
                _ => {
                    found.insert(row.id().to_owned());
                }
            }
        }
        Ok(found)
    }
}

impl Person {
    /// The ids of the person's objects in the mirror.
    fn records(&self) -> impl Iterator<Item = &String> {
        self.records.values().flatten()
    }

    /// The ids to remember, so that nothing about them is stored again.
    fn ids(&self) -> BTreeSet<String> {
        let all = self.found.customers.iter().chain(self.records());
        all.chain(&self.others).cloned().collect()
    }

    async fn find_events(
        &mut self,
        tx: &mut Tx,
        about: Vec<Trace>,
        mentions: Vec<Trace>,
    ) -> store::Result<()> {
        let of_objects = store::erased::events_of_objects(tx, &refs(&self.ids())).await?;
        let mut with_payload = BTreeSet::new();
        for event in about.into_iter().chain(of_objects) {
            if event.payload == 1 {
                with_payload.insert(event.id.clone());
            }
            self.events.insert(event.id);
        }
        for event in mentions {
            if event.waits == 1 && !self.events.contains(&event.id) {
                self.found.waiting += 1;
                continue;
            }
            if event.payload == 1 {
                with_payload.insert(event.id.clone());
            }
            self.events.insert(event.id);
        }
        self.found.payloads = with_payload.len();
        Ok(())
    }

    pub(super) async fn forget(&self, tx: &mut Tx, now: i64, livemode: bool) -> store::Result<()> {
        let ids = self.ids();
        store::erased::add(tx, &refs(&ids), now).await?;
        store::erased::blank(tx, &refs(&self.events), now).await?;
        let customers: BTreeSet<_> = self.found.customers.iter().cloned().collect();
        let mut burial = Tombstones { tx, now, livemode };
        for kind in Kind::ALL {
            let ids = match kind.about().owner {
                Owner::Itself => Some(&customers),
                Owner::Fields(_) => self.records.get(&kind),
                Owner::Nobody => None,
            };
            if let Some(ids) = ids {
                with_noun!(kind, N => burial.of::<N>(ids).await?);
            }
        }
        missing_objects::forget(burial.tx, &refs(&self.found.customers)).await
    }
}

/// Replaces rows by tombstones.
struct Tombstones<'t> {
    tx: &'t mut Tx,
    now: i64,
    livemode: bool,
}

impl Tombstones<'_> {
    async fn of<M: Noun>(&mut self, ids: &BTreeSet<String>) -> store::Result<()> {
        let rows = M::load(self.tx, &refs(ids)).await?;
        let stones: Vec<_> = rows
            .iter()
            .map(|row| {
                let at = row.deleted_at().unwrap_or(self.now);
                M::gone(row.id(), self.livemode.into(), at)
            })
            .collect();
        M::save(self.tx, &stones.iter().collect::<Vec<_>>()).await
    }
}

fn refs<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    ids.into_iter().map(String::as_str).collect()
}

/// The ids in these events that were erased.
pub async fn among_events(tx: &mut Tx, events: &[Event]) -> store::Result<BTreeSet<String>> {
    store::erased::among(tx, events.iter().flat_map(ids_in_event)).await
}

/// Whether an event is about an erased person.
pub fn is_about(erased: &BTreeSet<String>, event: &Event) -> bool {
    !erased.is_empty() && ids_in_event(event).any(|id| erased.contains(&id))
}

/// The given objects that belong to no erased person.
pub async fn spared<'v>(tx: &mut Tx, objects: &'v [Value]) -> store::Result<Vec<&'v Value>> {
    let erased = store::erased::among(tx, objects.iter().flat_map(ids_in)).await?;
    let is_spared = |object: &&Value| !ids_in(object).any(|id| erased.contains(&id));
    Ok(objects.iter().filter(is_spared).collect())
}

fn ids_in_event(event: &Event) -> impl Iterator<Item = String> {
    event.customer_id().into_iter().chain(ids_in(&event.object))
}

/// The ids in an object: its own, and those of its owners, such as its customer or invoice.
fn ids_in(object: &Value) -> impl Iterator<Item = String> {
    let own = event::object_id(object);
    let of = OWNER_FIELDS.iter().filter_map(|field| id(object, field));
    own.into_iter().chain(of)
}
