//! The inbox receives events and writes them in batches (group commit). A writer takes all waiting events, applies them in one
//! transaction, and answers each sender only after the commit. So one flush (fsync) serves a whole batch, and a 200 still means durable.

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

/// The maximum batch size in events. It bounds how long a sender waits for the rest of its batch.
const MOST_PER_COMMIT: usize = 512;
/// How long a commit waits until its batch is as large as the last one.
const A_MOMENT: Duration = Duration::from_millis(1);
/// The timeout of a transaction. After it the senders get a 503, and the next batch is tried on another connection. The abandoned
/// transaction may still commit. That does no harm: the senders retry, and applying an event is idempotent.
const PATIENCE: Duration = Duration::from_secs(5);
/// The batch size from which the writer begins a second transaction concurrently, if the database supports that. A smaller batch is
/// written faster if it waits and grows. Events about the same object wait for each other's locks in the database.
const ENOUGH: usize = 64;
/// The capacity of the queue in events. Beyond it senders wait in their connections (backpressure), not in memory.
const WAITING: usize = 1024;

/// The event is not stored, since the database is unavailable. The sender has to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event could not be stored")]
pub struct NotStored;

type Delivery = (Event, oneshot::Sender<Result<Outcome, NotStored>>);

/// The sending end of the queue. Clones send to the same writer.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::Sender<Delivery>);

impl Inbox {
    /// Starts the writer. It ends when the last clone of the inbox is dropped.
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

/// Gathers events into batches, and decides when a transaction begins.
struct Writer {
    receiver: mpsc::Receiver<Delivery>,
    under_way: JoinSet<()>,
    /// The maximum number of concurrent transactions.
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

    /// The next batch. Empty when the queue is closed.
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

    /// Waits until the batch has `wanted` events, but at most [`A_MOMENT`]. Senders that were answered together send their next events
    /// almost together. If the first of them were committed alone, the others would wait for two flushes.
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

/// Writes batches, and answers their senders.
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
        // In a task, so that the next transaction does not wait for the answers.
        tokio::spawn(async move {
            for (reply, outcome) in replies.into_iter().zip(outcomes) {
                // An error means that the sender disconnected. Its event is stored anyway.
                let _ = reply.send(outcome);
            }
            drop(events);
        });
    }

    /// Applies the batch in one transaction. If that fails, applies each event in its own transaction, so that one bad event (a poison
    /// message) does not make the others fail.
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
                // If one event could not even be stored, the rest of the batch fails at once.
                outcomes.resize(events.len(), Err(NotStored));
                outcomes
            }
        }
    }

    /// Applies one event. If that fails, stores it for a retry with backoff by the [`worker`], so that Stripe need not send it again.
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
        // A task of its own: it may still commit after the timeout, and open pages must be notified of that, too.
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
