//! Memory limit for request bodies: all bodies in flight share one budget. Above it, requests get 503 (load shedding). Clients
//! retry; Stripe, for one, sends its event again.

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
    response::Response,
};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Site,
    client::{self, Peer},
    problem,
    routes::{self, Audience},
};
use crate::{domain::limits::Client, log_throttle::LogThrottle, pages::message::Message};

/// Budget for webhooks in bytes: sixteen of the largest, or thousands of usual size.
const MOST_OF_MACHINES: usize = 32 * 1024 * 1024;
/// Budget for forms in bytes; they are small. A separate budget, so that a flood of webhooks cannot block sign-ins.
const MOST_OF_PAGES: usize = 8 * 1024 * 1024;
/// One peer, unless it is a trusted proxy, gets at most `1 / PARTS` of a budget.
const PARTS: usize = 4;
/// Seconds between two log lines.
const SAY_EVERY: i64 = 60;

/// The two budgets.
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
    /// Maximum number of bytes that one peer may hold.
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

    /// Reserves bytes for the peer. Returns false if that would exceed its share.
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
    counted(&site, &site.bodies.pages, Audience::Browser, request, next).await
}

pub async fn of_machines(State(site): State<Site>, request: Request, next: Next) -> Response {
    counted(
        &site,
        &site.bodies.machines,
        Audience::Machine,
        request,
        next,
    )
    .await
}

/// Why a body is not read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// It exceeds its route's limit.
    TooLarge,
    /// All bodies together exceed the budget.
    Full,
}

/// Runs the handler. If the body was refused, responds with 413 or 503 instead.
async fn counted(
    site: &Site,
    budget: &Budget,
    audience: Audience,
    request: Request,
    next: Next,
) -> Response {
    // Requests without a route never read their body.
    let limit = routes::of(&request).map(|route| route.body_limit);
    let (Some(limit), false) = (limit, request.body().is_end_stream()) else {
        return next.run(request).await;
    };
    let too_large = || problem::too_large(&site.app.config, audience, limit);
    if request.body().size_hint().lower() > limit as u64 {
        return too_large();
    }
    let trusted = &site.app.config.trusted_proxies;
    let peer = request.extensions().get::<Peer>().copied();
    let peer = peer.filter(|Peer(address)| !client::is_trusted(*address, trusted));
    // Held until the response: a handler that reads a body keeps it in memory for a while.
    let share = Arc::new(Share {
        budget: budget.clone(),
        peer: peer.map(|Peer(address)| client::key(address.to_canonical())),
        limit,
        held: Mutex::default(),
    });
    let request = request.map(|body| {
        Body::new(Counted {
            body,
            share: share.clone(),
        })
    });
    let response = next.run(request).await;
    match share.refusal() {
        None => response,
        Some(Refusal::TooLarge) => too_large(),
        Some(Refusal::Full) => {
            static FULL: LogThrottle = LogThrottle::new(SAY_EVERY);
            if let Some(count) = FULL.count(site.app.clock.now()) {
                tracing::warn!(
                    count,
                    "requests were refused with 503, since the bodies that are under way take all the memory for them"
                );
            }
            problem::answer(&site.app.config, audience, Message::Fault)
        }
    }
}

#[derive(Debug)]
struct Share {
    budget: Budget,
    /// `None` for a trusted proxy, which forwards the requests of many clients.
    peer: Option<Client>,
    /// The route's body limit in bytes.
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
    refusal: Option<Refusal>,
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

    fn refusal(&self) -> Option<Refusal> {
        self.lock().refusal
    }

    /// Reserves more bytes. If they exceed a limit, returns false and releases all bytes of this body.
    fn take(&self, bytes: usize) -> bool {
        let refusal = match self.hold(bytes) {
            Ok(()) => return true,
            Err(refusal) => refusal,
        };
        let mut held = self.lock();
        held.refusal = Some(refusal);
        held.permit = None;
        drop(held);
        self.give_back();
        false
    }

    fn hold(&self, bytes: usize) -> Result<(), Refusal> {
        if self.lock().bytes.saturating_add(bytes) > self.limit {
            return Err(Refusal::TooLarge);
        }
        if !self.peer.is_none_or(|peer| self.budget.take(peer, bytes)) {
            return Err(Refusal::Full);
        }
        let mut held = self.lock();
        held.bytes += bytes;
        let amount = u32::try_from(bytes).map_err(|_| Refusal::Full)?;
        let more = self.budget.left.clone().try_acquire_many_owned(amount);
        let more = more.map_err(|_| Refusal::Full)?;
        match &mut held.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    /// Releases the peer's bytes.
    fn give_back(&self) {
        let bytes = std::mem::take(&mut self.lock().bytes);
        if let Some(peer) = self.peer.filter(|_| bytes > 0) {
            self.budget.give_back(peer, bytes);
        }
    }
}

/// A body that reserves its bytes as they arrive.
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
            limit: 1000,
            held: Mutex::default(),
        };
        let (first, second) = (share(), share());
        assert!(first.take(300) && !second.take(101) && second.refusal() == Some(Refusal::Full));
        assert!(share().take(100));
        drop(first);
        assert!(share().take(400));
    }

    #[test]
    fn no_body_is_larger_than_its_route_allows() {
        let budget = Budget::new(10_000);
        let share = Share {
            budget: budget.clone(),
            peer: Some(Client::V4([192, 0, 2, 1].into())),
            limit: 100,
            held: Mutex::default(),
        };
        assert!(share.take(60) && share.take(40) && !share.take(1));
        assert_eq!(share.refusal(), Some(Refusal::TooLarge));
        assert!(budget.peers.lock().unwrap().is_empty(), "nothing is kept");
        assert_eq!(budget.left.available_permits(), 10_000);
    }
}
