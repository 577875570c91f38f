//! Tells open pages that what they show has changed. It carries no data: what a page is shown is read
//! again, with its own rights.

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

/// How many changes a slow page may fall behind before it is told "something changed" at large.
const BEHIND: usize = 256;

/// Whose pages have changed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Those of this normalised address.
    Of(String),
    /// Any: a product or a price is on the pages of many.
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

/// What is gathered of the changes of a transaction, to be told when it is committed.
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
    /// Adds whoever is shown this row or was shown what it was before.
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

    /// The addresses that something has left. They may have more of the kind.
    pub fn take_left(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.left)
    }

    /// Adds whoever is shown this row.
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

/// Changes, as they are committed.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Changes {
        Changes(broadcast::Sender::new(BEHIND))
    }
}

impl Changes {
    pub fn tell(&self, change: Change) {
        // An error says that no page is open.
        let _ = self.0.send(change);
    }

    pub fn tell_all(&self, changes: impl IntoIterator<Item = Change>) {
        changes.into_iter().for_each(|change| self.tell(change));
    }

    /// Tells what a transaction changed that is committed. Under which addresses its customers are is
    /// looked up only now: a customer that was committed meanwhile told its page before there was all of
    /// this to see.
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
