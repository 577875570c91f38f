//! The memory for bodies of requests: all that are under way at a time share one budget. Above it there is
//! a 503, and Stripe, for one, sends its event again.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Site,
    client::{self, Peer},
    problem::Problem,
};
use crate::{
    domain::limits::Client,
    pages::message::{self, Message},
    seldom::Seldom,
};

/// Bytes of webhooks. Sixteen of the largest, or thousands of the usual ones.
const MOST_OF_MACHINES: usize = 32 * 1024 * 1024;
/// Bytes of forms, which are small: what machines send does not keep anybody from signing in.
const MOST_OF_PAGES: usize = 8 * 1024 * 1024;
/// One peer that is no proxy of ours has at most one of so many parts.
const PARTS: usize = 4;
/// Seconds between two lines in the log.
const SAY_EVERY: i64 = 60;

/// What is left of both budgets.
#[derive(Clone, Debug)]
pub struct Bodies {
    pages: Budget,
    machines: Budget,
}

impl Default for Bodies {
    fn default() -> Bodies {
        Bodies {
            pages: Budget::new(MOST_OF_PAGES),
            machines: Budget::new(MOST_OF_MACHINES),
        }
    }
}

#[derive(Clone, Debug)]
struct Budget {
    left: Arc<Semaphore>,
    /// Bytes that one peer may hold.
    part: usize,
    peers: Arc<Mutex<HashMap<Client, usize>>>,
}

impl Budget {
    fn new(most: usize) -> Budget {
        Budget {
            left: Arc::new(Semaphore::new(most)),
            part: most / PARTS,
            peers: Arc::default(),
        }
    }

    /// Whether the peer may hold so many more. Then it does.
    fn take(&self, peer: Client, bytes: usize) -> bool {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let held = peers.entry(peer).or_default();
        let is_free = held.saturating_add(bytes) <= self.part;
        if is_free {
            *held += bytes;
        } else if *held == 0 {
            peers.remove(&peer);
        }
        is_free
    }

    fn give_back(&self, peer: Client, bytes: usize) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = peers.get_mut(&peer) {
            *held = held.saturating_sub(bytes);
            if *held == 0 {
                peers.remove(&peer);
            }
        }
    }
}

pub async fn of_pages(State(site): State<Site>, request: Request, next: Next) -> Response {
    match counted(&site, &site.bodies.pages, request, next).await {
        Some(response) => response,
        None => message::response(&site.app.config, Message::Fault),
    }
}

pub async fn of_machines(State(site): State<Site>, request: Request, next: Next) -> Response {
    if let Some(response) = counted(&site, &site.bodies.machines, request, next).await {
        return response;
    }
    Problem::unavailable("too many bodies at a time, send it again").into_response()
}

/// The answer, or nothing when there was no room for the body.
async fn counted(site: &Site, budget: &Budget, request: Request, next: Next) -> Option<Response> {
    if request.body().is_end_stream() {
        return Some(next.run(request).await);
    }
    let trusted = &site.app.config.trusted_proxies;
    let peer = request.extensions().get::<Peer>().copied();
    let peer = peer.filter(|Peer(address)| !client::is_trusted(*address, trusted));
    // Held until there is an answer: whoever reads a body keeps it for a while.
    let share = Arc::new(Share {
        budget: budget.clone(),
        peer: peer.map(|Peer(address)| client::key(address.to_canonical())),
        held: Mutex::default(),
    });
    let request = request.map(|body| {
        Body::new(Counted {
            body,
            share: share.clone(),
        })
    });
    let response = next.run(request).await;
    if !share.is_refused() {
        return Some(response);
    }
    static FULL: Seldom = Seldom::new(SAY_EVERY);
    if let Some(count) = FULL.count(site.app.clock.now()) {
        tracing::warn!(
            count,
            "requests were refused with 503, since the bodies that are under way take all the memory for them"
        );
    }
    None
}

#[derive(Debug)]
struct Share {
    budget: Budget,
    /// Nobody where a proxy of ours sends what many say.
    peer: Option<Client>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    /// Of the peer's part.
    bytes: usize,
    is_refused: bool,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Share {
    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_refused(&self) -> bool {
        self.lock().is_refused
    }

    /// Whether there is room for so many bytes more.
    fn take(&self, bytes: usize) -> bool {
        let is_free = self.peer.is_none_or(|peer| self.budget.take(peer, bytes));
        let more = u32::try_from(bytes)
            .ok()
            .filter(|_| is_free)
            .and_then(|bytes| self.budget.left.clone().try_acquire_many_owned(bytes).ok());
        let mut held = self.lock();
        if is_free {
            held.bytes += bytes;
        }
        match (more, &mut held.permit) {
            (Some(more), Some(permit)) => permit.merge(more),
            (Some(more), none) => *none = Some(more),
            (None, _) => {
                held.is_refused = true;
                held.permit = None;
                drop(held);
                self.give_back();
                return false;
            }
        }
        true
    }

    /// Gives the peer's part back.
    fn give_back(&self) {
        let bytes = std::mem::take(&mut self.lock().bytes);
        if let Some(peer) = self.peer.filter(|_| bytes > 0) {
            self.budget.give_back(peer, bytes);
        }
    }
}

/// A body whose bytes are counted as they come.
struct Counted {
    body: Body,
    share: Arc<Share>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let bytes = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        if bytes > 0 && !self.share.take(bytes) {
            let full = std::io::Error::from(std::io::ErrorKind::OutOfMemory);
            return Poll::Ready(Some(Err(axum::Error::new(full))));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_has_a_quarter_and_gets_it_back() {
        let budget = Budget::new(400);
        let peer = |last| Client::V4([192, 0, 2, last].into());
        assert!(budget.take(peer(1), 60) && budget.take(peer(1), 40));
        assert!(!budget.take(peer(1), 1), "that is a quarter");
        assert!(budget.take(peer(2), 100), "another peer has its own");
        budget.give_back(peer(1), 40);
        assert!(budget.take(peer(1), 40));
        budget.give_back(peer(1), 100);
        budget.give_back(peer(2), 100);
        assert!(!budget.take(peer(3), 101));
        assert!(budget.peers.lock().unwrap().is_empty(), "nothing is kept");
    }

    #[test]
    fn what_is_read_is_held_until_it_is_dropped() {
        let budget = Budget::new(400);
        let share = || Share {
            budget: budget.clone(),
            peer: None,
            held: Mutex::default(),
        };
        let (first, second) = (share(), share());
        assert!(first.take(300) && !second.take(101) && second.is_refused());
        assert!(share().take(100));
        drop(first);
        assert!(share().take(400));
    }
}
