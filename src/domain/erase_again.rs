//! Repeats erasures after the database was restored from a backup that is older than them. The erasures are known by hashes, which a file
//! outside the database keeps. These hashes also recognise a person's data that arrived after the backup and that Stripe sends again.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;

use super::{
    App, address_search, audit,
    erase::{self, Found},
};
use crate::store::{
    self,
    erased::Ids,
    erasures::{self, Erasure, hash_of_address, hash_of_id},
};

/// Batch size: events whose payloads are searched in one transaction.
const AT_ONCE: i64 = 500;

/// What [`run`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Erasures in the file, of the database's mode.
    pub all: usize,
    /// Erasures that were repeated, since the database did not know them.
    pub again: usize,
    pub customers: usize,
    pub records: usize,
    pub payloads: usize,
    /// Lines of the file that cannot be parsed.
    pub unread: usize,
}

/// Repeats the erasures that the database does not know. Idempotent: the database knows them from then on.
pub async fn run(app: &App) -> store::Result<Done> {
    let (mut all, unread) = erasures::read(&app.config)?;
    all.retain(|erasure| erasure.livemode == app.config.livemode());
    let mut done = Done {
        all: all.len(),
        unread,
        ..Done::default()
    };
    let ids: Vec<_> = all.iter().map(|erasure| erasure.id.clone()).collect();
    let known = app
        .store
        .read(move |tx| async move { store::erased::known(tx, &ids).await }.boxed())
        .await?;
    // An erasure that was not committed, and that the operator has since repeated, is not repeated here: the address may belong to
    // newer customers.
    let mut done_at: BTreeMap<String, i64> = BTreeMap::new();
    for erasure in all.iter().filter(|erasure| known.contains(&erasure.id)) {
        let at = done_at.entry(erasure.address.clone()).or_insert(erasure.at);
        *at = erasure.at.max(*at);
    }
    all.retain(|erasure| {
        let is_done = done_at
            .get(&erasure.address)
            .is_some_and(|at| erasure.at <= *at);
        !known.contains(&erasure.id) && !is_done
    });
    if all.is_empty() {
        return Ok(done);
    }
    let wanted = all.iter().map(|erasure| erasure.address.clone()).collect();
    let addresses = addresses(app, wanted).await?;
    let ids = app
        .store
        .read(|tx| async move { store::erased::all_ids(tx, &erase::tables()).await }.boxed())
        .await?;
    let customers = by_hash(ids.customers);
    let objects = by_hash(ids.objects);
    for erasure in all {
        let of = |known: &BTreeMap<String, String>| {
            let found = erasure.ids.iter().filter_map(|hash| known.get(hash));
            found.cloned().collect::<BTreeSet<_>>()
        };
        let also = Ids {
            customers: of(&customers),
            objects: of(&objects),
        };
        let address = addresses.get(&erasure.address).cloned();
        let found = again(app, erasure, address, also).await?;
        done.again += 1;
        done.customers += found.customers.len();
        done.records += found.records;
        done.payloads += found.payloads;
    }
    if let Err(error) = store::erased::forget_log(&app.store).await {
        tracing::warn!(%error, "the write-ahead log could not be emptied; it is overwritten in its time");
    }
    Ok(done)
}

fn by_hash(ids: BTreeSet<String>) -> BTreeMap<String, String> {
    ids.into_iter().map(|id| (hash_of_id(&id), id)).collect()
}

/// Repeats one erasure, in one transaction.
async fn again(
    app: &App,
    erasure: Erasure,
    address: Option<String>,
    also: Ids,
) -> store::Result<Found> {
    let mentions = match &address {
        Some(address) => erase::mentions(app, address).await?,
        None => Vec::new(),
    };
    let (now, livemode) = (app.clock.now(), app.config.livemode());
    let keys = app.keys.clone();
    app.store
        .write(move |tx| {
            async move {
                store::erased::begin(tx).await?;
                // A concurrent sign-in with the address waits for this lock.
                if let Some(address) = &address {
                    tx.lock(&[address]).await?;
                }
                let person = erase::gather(tx, address.as_deref(), &mentions, &also).await?;
                person.forget(tx, now, livemode).await?;
                if let Some(address) = &address {
                    erase::forget_own(tx, &keys, address, now).await?;
                }
                store::erased::add_hashes(tx, &erasure.ids, now).await?;
                store::erased::note(tx, &erasure.id, now).await?;
                let Found {
                    customers,
                    records,
                    payloads,
                    ..
                } = &person.found;
                let count = customers.len();
                let act = format!(
                    "an erasure from before, done again: {count} customers, {records} records, {payloads} payloads"
                );
                store::audit::insert(tx, &audit::operator(now, &act)).await?;
                Ok(person.found)
            }
            .boxed()
        })
        .await
}

/// Finds the addresses in the database that have one of the wanted hashes. Returns them by hash.
async fn addresses(app: &App, wanted: BTreeSet<String>) -> store::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut look = |address: String| {
        let hash = hash_of_address(&address);
        if wanted.contains(&hash) {
            found.insert(hash, address);
        }
    };
    let known = app.store.read(|tx| store::erased::addresses(tx).boxed());
    known.await?.into_iter().for_each(&mut look);
    let mut after = String::new();
    loop {
        let from = after.clone();
        let part = app.store.read(move |tx| {
            async move { store::erased::payloads(tx, &from, AT_ONCE).await }.boxed()
        });
        let part = part.await?;
        let Some((last, _)) = part.last() else {
            return Ok(found);
        };
        after.clone_from(last);
        for (_, payload) in &part {
            address_search::addresses_in(payload, &mut look);
        }
    }
}
