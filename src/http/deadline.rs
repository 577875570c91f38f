//! Request timeout. If the client sends its body too slowly (slowloris), responds with 408. If the server itself is too slow, responds
//! with an error and logs it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper::body::{Frame, SizeHint};

use super::{
    Site,
    problem::{self, Problem},
    routes::{self, Audience},
};
use crate::{domain::billing::Arrived, pages::message::Message};

pub async fn layer(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    request.extensions_mut().insert(Arrived(arrived));
    let (path, audience, deadline) = match routes::of(&request) {
        Some(route) => (route.path, route.audience, route.deadline),
        None => ("a file", Audience::Browser, routes::USUAL),
    };
    let is_awaited = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| {
        Body::new(Watched {
            body,
            is_awaited: is_awaited.clone(),
        })
    });
    let answer = tokio::time::timeout_at((arrived + deadline).into(), next.run(request));
    match answer.await {
        Ok(response) => response,
        Err(_) if is_awaited.load(Ordering::Relaxed) => match audience {
            Audience::Browser => StatusCode::REQUEST_TIMEOUT.into_response(),
            _ => {
                Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long").into_response()
            }
        },
        Err(_) => {
            if let Some(count) = site.faults.count(site.app.clock.now()) {
                tracing::error!(
                    route = path,
                    count,
                    "an answer took too long and was given up"
                );
            }
            problem::answer(&site.app.config, audience, Message::Fault)
        }
    }
}

/// A body that records whether the server waits for the rest of it.
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
