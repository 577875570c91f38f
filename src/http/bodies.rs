//! The memory for bodies of requests: all that are under way at a time share one budget. Above it there is
//! a 503, and Stripe, for one, sends its event again.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Site;
use crate::{
    answer::RETRY_AFTER,
    pages::message::{self, Message},
    seldom::Seldom,
};

/// Bytes. Sixteen of the largest webhooks, or thousands of the usual ones.
const MOST: usize = 32 * 1024 * 1024;
/// Seconds between two lines in the log.
const SAY_EVERY: i64 = 60;

/// Bytes that are left.
#[derive(Clone, Debug)]
pub struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Bodies {
        Bodies(Arc::new(Semaphore::new(MOST)))
    }
}

pub async fn of_pages(State(site): State<Site>, request: Request, next: Next) -> Response {
    match counted(&site, request, next).await {
        Some(response) => response,
        None => message::response(&site.app.config, Message::Fault),
    }
}

pub async fn of_machines(State(site): State<Site>, request: Request, next: Next) -> Response {
    if let Some(response) = counted(&site, request, next).await {
        return response;
    }
    let wait = [(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER))];
    let words = "too many bodies at a time, send it again\n";
    (StatusCode::SERVICE_UNAVAILABLE, wait, words).into_response()
}

/// The answer, or nothing when there was no room for the body.
async fn counted(site: &Site, request: Request, next: Next) -> Option<Response> {
    if request.body().is_end_stream() {
        return Some(next.run(request).await);
    }
    // Held until there is an answer: whoever reads a body keeps it for a while.
    let share = Arc::new(Share {
        bodies: site.bodies.clone(),
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
    bodies: Bodies,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    permit: Option<OwnedSemaphorePermit>,
    is_refused: bool,
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
        let more = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.bodies.0.clone().try_acquire_many_owned(bytes).ok());
        let mut held = self.lock();
        match (more, &mut held.permit) {
            (Some(more), Some(permit)) => permit.merge(more),
            (Some(more), none) => *none = Some(more),
            (None, _) => {
                held.is_refused = true;
                held.permit = None;
                return false;
            }
        }
        true
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
