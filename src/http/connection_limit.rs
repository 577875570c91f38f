//! Connection limit, in total and per peer. When it is reached, connections that wait for their peer are closed to make room. So no
//! peer can exhaust the limit by waiting (slowloris).

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ipnet::IpNet;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
};

use super::{client, connection_activity::ConnectionActivity};
use crate::domain::limits::Client;

/// A new connection is about to send a request: if it has been silent for less than this, it is closed last.
const YOUNG: Duration = Duration::from_secs(1);
/// Poll interval while waiting for a free place.
const AGAIN: Duration = Duration::from_millis(20);
/// One peer gets at most `1 / PART_OF_PEER` of all places, but at least `LEAST_OF_PEER`.
const PART_OF_PEER: usize = 4;
const LEAST_OF_PEER: usize = 16;

#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    of_peer: usize,
    trusted: Arc<[IpNet]>,
    taken: Arc<Mutex<BTreeMap<u64, Taken>>>,
    /// Read and written only while `taken` is locked.
    is_closed: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Taken {
    /// `None` for a trusted proxy.
    client: Option<Client>,
    pulse: Arc<ConnectionActivity>,
    task: AbortHandle,
}

impl Places {
    pub fn new(most: usize, trusted: &[IpNet]) -> Places {
        Places {
            free: Arc::new(Semaphore::new(most)),
            of_peer: (most / PART_OF_PEER).max(LEAST_OF_PEER),
            trusted: trusted.into(),
            taken: Arc::default(),
            is_closed: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key for the limit per peer: an address or an IPv6 network. `None` for a trusted proxy, which forwards for many clients.
    fn client_of(&self, peer: IpAddr) -> Option<Client> {
        let is_trusted = self.trusted.iter().any(|network| network.contains(&peer));
        (!is_trusted).then(|| client::key(peer))
    }

    /// Whether this peer may open another connection. If it has reached its limit, closes one of its own to make room.
    pub fn admits(&self, peer: IpAddr) -> bool {
        let Some(client) = self.client_of(peer) else {
            return true;
        };
        let count = {
            let taken = self.lock();
            let of_peer = taken
                .values()
                .filter(|place| place.client == Some(client) && !place.pulse.is_going());
            of_peer.count()
        };
        count < self.of_peer || self.make_way(Some(client))
    }

    /// Waits for a free place, and closes other connections to get one.
    pub async fn take(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(permit) = self.free.clone().try_acquire_owned() {
                return Some(permit);
            }
            self.make_way(None);
            let permit = self.free.clone().acquire_owned();
            if let Ok(permit) = tokio::time::timeout(AGAIN, permit).await {
                return permit.ok();
            }
        }
    }

    /// Closes a connection that waits for its peer, optionally only one of this client. Returns whether there was one.
    fn make_way(&self, client: Option<Client>) -> bool {
        let mut taken = self.lock();
        let first = taken
            .iter()
            .filter(|(_, place)| client.is_none() || place.client == client)
            .filter(|(_, place)| !place.pulse.is_going())
            .filter_map(|(number, place)| Some((place.pulse.rank(YOUNG)?, *number)))
            .min();
        let Some((_, number)) = first else {
            return false;
        };
        let is_idle = taken.get(&number).is_some_and(|place| {
            let is_idle = place.pulse.is_idle();
            if is_idle {
                place.pulse.leave();
            }
            is_idle
        });
        if !is_idle && let Some(place) = taken.remove(&number) {
            place.task.abort();
        }
        true
    }

    /// Registers a connection. `spawn` starts it; the caller must call [`Places::forget`] when it ends.
    pub fn put(
        &self,
        number: u64,
        peer: IpAddr,
        pulse: Arc<ConnectionActivity>,
        spawn: impl FnOnce() -> AbortHandle,
    ) {
        // Locked until the task is registered: it may end before that.
        let mut taken = self.lock();
        if self.is_closed.load(Ordering::Relaxed) {
            pulse.leave();
        }
        let client = self.client_of(peer);
        let task = spawn();
        taken.insert(
            number,
            Taken {
                client,
                pulse,
                task,
            },
        );
    }

    pub fn forget(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// Shutdown: closes every connection as soon as it is idle, including those registered later.
    pub fn close(&self) {
        let taken = self.lock();
        self.is_closed.store(true, Ordering::Relaxed);
        for place in taken.values() {
            place.pulse.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::body::Body;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::http::connection_activity::Answer;

    /// The state of a connection whose request was answered.
    fn answered() -> Arc<ConnectionActivity> {
        let pulse = Arc::new(ConnectionActivity::default());
        pulse.works();
        drop(Answer::new(Body::empty(), pulse.clone()));
        pulse.flushed();
        pulse
    }

    /// Opens connections of one peer, none of which ends by itself. Returns those that were admitted.
    fn connect(
        places: &Places,
        pulse: impl Fn() -> Arc<ConnectionActivity>,
    ) -> Vec<JoinHandle<()>> {
        let peer = "192.0.2.1".parse().unwrap();
        let mut all = Vec::new();
        for number in 0..60 {
            if places.admits(peer) {
                let task = tokio::spawn(pending());
                let handle = task.abort_handle();
                places.put(number, peer, pulse(), || handle);
                all.push(task);
            }
        }
        all
    }

    #[tokio::test]
    async fn who_still_sends_what_was_refused_has_a_place() {
        let places = Places::new(64, &[]);
        let all = connect(&places, || {
            let pulse = answered();
            pulse.lingers();
            pulse
        });
        assert_eq!(places.lock().len(), 16);
        let mut cut_off = 0;
        for task in all.iter().take(all.len() - 16) {
            while !task.is_finished() {
                tokio::task::yield_now().await;
            }
            cut_off += 1;
        }
        assert_eq!(cut_off, 44, "the oldest give way to new ones");
    }

    #[tokio::test]
    async fn who_is_to_leave_and_asks_again_has_a_place() {
        let places = Places::new(64, &[]);
        let busy = || {
            let pulse = answered();
            pulse.leave();
            pulse.works();
            pulse
        };
        assert_eq!(connect(&places, busy).len(), 16);
    }
}
