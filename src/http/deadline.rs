//! How long an answer may take. Who is slow to send a form is told so; where we are slow ourselves,
//! that is said and written down.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, SizeHint};

use super::Site;
use crate::{
    domain::billing::Arrived,
    pages::message::{self, Message},
};

/// Most of what a page or a form waits for ends sooner by itself; a body that drips does not.
const LONGEST: Duration = Duration::from_secs(15);
/// A click on the portal's button has its answer before 8 seconds are over, whatever the database and
/// Stripe do. It ends sooner by itself once it has begun.
const LONGEST_CLICK: Duration = Duration::from_millis(7_500);
const CLICKS: [&str; 2] = ["/api/open_portal", "/api/pay_invoice"];

pub async fn layer(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    request.extensions_mut().insert(Arrived(arrived));
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("a file", MatchedPath::as_str);
    let longest = if CLICKS.contains(&route) {
        LONGEST_CLICK
    } else {
        LONGEST
    };
    let is_awaited = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| {
        Body::new(Watched {
            body,
            is_awaited: is_awaited.clone(),
        })
    });
    let answer = tokio::time::timeout_at((arrived + longest).into(), next.run(request));
    match answer.await {
        Ok(response) => response,
        Err(_) if is_awaited.load(Ordering::Relaxed) => StatusCode::REQUEST_TIMEOUT.into_response(),
        Err(_) => {
            if let Some(count) = site.faults.count(site.app.clock.now()) {
                tracing::error!(route, count, "an answer took too long and was given up");
            }
            message::response(&site.app.config, Message::Fault)
        }
    }
}

/// A body that tells whether the rest of it is being waited for.
struct Watched {
    body: Body,
    is_awaited: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.is_awaited
            .store(polled.is_pending(), Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
