//! Where events come in. Many requests share one commit: a writer takes whatever is waiting, applies it
//! in one transaction, and only then tells each sender that its event is on disk. So the disk is
//! flushed once for a crowd, and a 200 still means durable.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    changes::Changes,
    sync::{self, Ours, Outcome},
    worker,
};
use crate::{
    clock::Clock,
    store::{self, Store},
    stripe::Event,
};

/// At most this many events share a transaction, so that no sender waits long for the others.
const MOST_PER_COMMIT: usize = 512;
/// How long a commit waits for as many as came to the last one.
const A_MOMENT: Duration = Duration::from_millis(1);
/// A database that says nothing for so long is left to itself: its senders have been answered 503,
/// and those who come next are tried on another connection. What it holds may still be stored.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where the database takes several transactions at once, a second is begun beside one that is under way
/// as soon as this many events wait for it: fewer are better off together. Those about one object
/// wait for each other in the database.
const ENOUGH: usize = 64;
/// Senders beyond this wait in their connection, not in memory.
const WAITING: usize = 1024;

/// The event is not stored: the database is away. The sender is to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be stored")]
pub struct NotStored;

type Delivery = (Event, oneshot::Sender<Result<Outcome, NotStored>>);

/// The way in. Clones lead to the same writer.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::Sender<Delivery>);

impl Inbox {
    /// Starts the writer, which ends when the last clone of the inbox is gone.
    pub fn start(store: Store, clock: Clock, ours: Ours, changes: Changes) -> Inbox {
        let (sender, receiver) = mpsc::channel(WAITING);
        let at_once = match &store {
            Store::Sqlite { .. } => 1,
            Store::Postgres(_) => 2,
        };
        let writer = Writer {
            receiver,
            under_way: JoinSet::new(),
            at_once,
        };
        let commits = Commits {
            store,
            clock,
            ours,
            changes,
        };
        tokio::spawn(writer.run(commits));
        Inbox(sender)
    }

    /// Returns once the event and its effect are committed.
    pub async fn receive(&self, event: Event) -> Result<Outcome, NotStored> {
        let (reply, answer) = oneshot::channel();
        self.0.send((event, reply)).await.map_err(|_| NotStored)?;
        answer.await.map_err(|_| NotStored)?
    }
}

/// Gathers events that share a transaction, and decides when one begins.
struct Writer {
    receiver: mpsc::Receiver<Delivery>,
    under_way: JoinSet<()>,
    /// Most transactions at once.
    at_once: usize,
}

impl Writer {
    async fn run(mut self, commits: Commits) {
        let mut last = 1;
        loop {
            let batch = self.gather(last).await;
            if batch.is_empty() {
                break;
            }
            last = batch.len();
            self.under_way.spawn(commits.clone().store_all(batch));
        }
        while self.under_way.join_next().await.is_some() {}
    }

    /// What is to be written next. Empty when nothing will ever come.
    async fn gather(&mut self, last: usize) -> Vec<Delivery> {
        let mut batch = Vec::new();
        if self.receiver.recv_many(&mut batch, MOST_PER_COMMIT).await == 0 {
            return batch;
        }
        while !self.may_begin(batch.len()) {
            let room = MOST_PER_COMMIT - batch.len();
            tokio::select! {
                count = self.receiver.recv_many(&mut batch, room), if room > 0 => {
                    if count == 0 {
                        self.under_way.join_next().await;
                    }
                }
                _ = self.under_way.join_next() => {}
            }
        }
        if self.under_way.is_empty() {
            self.wait_for_more(&mut batch, last).await;
        }
        batch
    }

    fn may_begin(&mut self, waiting: usize) -> bool {
        while self.under_way.try_join_next().is_some() {}
        let is_room = self.under_way.len() < self.at_once;
        self.under_way.is_empty() || (is_room && waiting >= ENOUGH)
    }

    /// Those who were answered together come back together, one just before the others. To commit for
    /// that one alone would make the others wait for two flushes.
    async fn wait_for_more(&mut self, batch: &mut Vec<Delivery>, wanted: usize) {
        let moment = tokio::time::sleep(A_MOMENT);
        tokio::pin!(moment);
        while batch.len() < wanted {
            let room = MOST_PER_COMMIT - batch.len();
            tokio::select! {
                count = self.receiver.recv_many(batch, room) => if count == 0 { return },
                () = &mut moment => return,
            }
        }
    }
}

/// Stores events, and tells their senders.
#[derive(Clone)]
struct Commits {
    store: Store,
    clock: Clock,
    ours: Ours,
    changes: Changes,
}

impl Commits {
    async fn store_all(self, batch: Vec<Delivery>) {
        let (events, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let events: Arc<[Event]> = events.into();
        let outcomes = self.apply_all(&events).await;
        // The next transaction does not wait for this.
        tokio::spawn(async move {
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                // An error says that the sender went away; its event is stored all the same.
                let _ = reply.send(outcome);
            }
            drop(events);
        });
    }

    /// One transaction for all. If it fails, each gets one of its own, so that a single bad event
    /// does not take the others with it.
    async fn apply_all(&self, events: &Arc<[Event]>) -> Vec<Result<Outcome, NotStored>> {
        match self.apply(Arc::clone(events)).await {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(error) if store::is_away(&error) => {
                tracing::error!(%error, events = events.len(), "events could not be stored");
                vec![Err(NotStored); events.len()]
            }
            Err(error) => {
                tracing::warn!(%error, events = events.len(), "events are stored one by one");
                let mut outcomes = Vec::with_capacity(events.len());
                for event in events.iter() {
                    let outcome = self.apply_one(event.clone()).await;
                    outcomes.push(outcome);
                    if outcome.is_err() {
                        break;
                    }
                }
                // Where one could not be stored, the others need not wait to hear the same.
                outcomes.resize(events.len(), Err(NotStored));
                outcomes
            }
        }
    }

    /// An event that cannot be applied is stored all the same: it is ours from then on.
    async fn apply_one(&self, event: Event) -> Result<Outcome, NotStored> {
        let id = event.id.clone();
        let error = match self.apply([event.clone()].into()).await {
            Ok(outcomes) => return outcomes.first().copied().ok_or(NotStored),
            Err(error) => error,
        };
        tracing::error!(%error, event = id, "an event could not be applied");
        if store::is_away(&error) {
            return Err(NotStored);
        }
        let now = self.clock.now();
        let stored = self.store.write(move |tx| {
            async move {
                let due_at = now + worker::pause(1);
                sync::store_failed(tx, &event, &error.to_string(), now, due_at).await
            }
            .boxed()
        });
        stored.await.map_err(|error| {
            tracing::error!(%error, event = id, "an event could not be stored");
            NotStored
        })
    }

    async fn apply(&self, events: Arc<[Event]>) -> store::Result<Vec<Outcome>> {
        let (ours, now) = (self.ours.clone(), self.clock.now());
        let (store, changes) = (self.store.clone(), self.changes.clone());
        // Whoever is given up on may commit after all; open pages are to hear of that, too.
        let applying = tokio::spawn(async move {
            let received = store
                .write(move |tx| {
                    async move { sync::receive(tx, &events, &ours, now).await }.boxed()
                })
                .await?;
            changes.tell_committed(&store, received.changed);
            Ok(received.outcomes)
        });
        match tokio::time::timeout(PATIENCE, applying).await {
            Ok(outcomes) => outcomes.unwrap_or(Err(store::Error::WorkerCrashed)),
            Err(_) => {
                tracing::error!("the database has said nothing for {PATIENCE:?}");
                Err(store::Error::PoolTimedOut)
            }
        }
    }
}
