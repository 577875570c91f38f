//! Notifies open pages that their data has changed (publish and subscribe). A notification carries no data: the page reads its data
//! again, with the access rights of its own session.

use std::collections::BTreeSet;

use futures::FutureExt;
use tokio::sync::broadcast;

use super::{
    email,
    mirror::{Noun, Shown},
};
use crate::{
    mask::shows,
    store::{self, Store},
};

/// The capacity of the channel. A subscriber that lags further behind is told only that something changed.
const BEHIND: usize = 256;

/// A notification: which pages have changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The pages of this normalised address.
    Of(String),
    /// All pages: a product or a price is on the pages of many customers.
    OfAnybody,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Change::Of(address) => write!(f, "Of({})", email::mask(address)),
            Change::OfAnybody => f.write_str("OfAnybody"),
        }
    }
}

impl Change {
    /// Whether the page of this normalised address may have changed.
    pub fn concerns(&self, address: &str) -> bool {
        match self {
            Change::Of(other) => other == address,
            Change::OfAnybody => true,
        }
    }
}

/// The changes of one transaction, collected until it is committed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    changes: BTreeSet<Change>,
    customers: BTreeSet<String>,
    /// Payment intents.
    payments: BTreeSet<String>,
    left: BTreeSet<String>,
}

shows!(Gathered: changes, customers, payments);

impl Gathered {
    /// Adds everyone who sees this row, or saw its previous version.
    pub fn note_change<M: Noun>(&mut self, before: Option<&M>, row: &M) {
        self.note(row);
        let Some(before) = before else {
            return;
        };
        self.note(before);
        if let Shown::ToAddress(address) = before.shown() {
            let stays = row.deleted_at().is_none() && row.shown() == before.shown();
            if !stays {
                self.left.insert(address.to_owned());
            }
        }
    }

    /// Takes the addresses that lost a customer. They may have other customers.
    pub fn take_left(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.left)
    }

    /// Adds everyone who sees this row.
    fn note<M: Noun>(&mut self, row: &M) {
        match row.shown() {
            Shown::ToAddress(address) => {
                self.changes.insert(Change::Of(address.to_owned()));
            }
            Shown::ToCustomer(customer) => {
                self.customers.insert(customer.to_owned());
            }
            Shown::ToPayer(payment) => {
                self.payments.insert(payment.to_owned());
            }
            Shown::ToAnybody => {
                self.changes.insert(Change::OfAnybody);
            }
            Shown::ToNobody => {}
        }
    }
}

/// The broadcast channel of committed changes. Clones share it.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Changes {
        Changes(broadcast::Sender::new(BEHIND))
    }
}

impl Changes {
    pub fn tell(&self, change: Change) {
        // An error means that there is no subscriber: no page is open.
        let _ = self.0.send(change);
    }

    pub fn tell_all(&self, changes: impl IntoIterator<Item = Change>) {
        changes.into_iter().for_each(|change| self.tell(change));
    }

    /// Publishes the changes of a committed transaction. Looks up the addresses of its customers only after the commit, to avoid a
    /// race: a customer that another transaction committed meanwhile notified its page before that page could read these changes.
    pub fn tell_committed(&self, store: &Store, gathered: Gathered) {
        self.tell_all(gathered.changes);
        let is_seen = self.0.receiver_count() > 0;
        let is_nobodys = gathered.customers.is_empty() && gathered.payments.is_empty();
        if is_nobodys || !is_seen {
            return;
        }
        let (changes, store) = (self.clone(), store.clone());
        tokio::spawn(async move {
            let found = store.read(move |tx| {
                async move {
                    let payments: Vec<_> = gathered.payments.iter().map(String::as_str).collect();
                    let payers = store::mirror::payers(tx, &payments).await?;
                    let customers = gathered.customers.iter().chain(&payers);
                    let customers: Vec<_> = customers.map(String::as_str).collect();
                    store::customer::addresses(tx, &customers).await
                }
                .boxed()
            });
            match found.await {
                Ok(addresses) => changes.tell_all(addresses.into_iter().map(Change::Of)),
                Err(error) => {
                    tracing::warn!(%error, "whose pages changed could not be looked up; all are told");
                    changes.tell(Change::OfAnybody);
                }
            }
        });
    }

    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}
