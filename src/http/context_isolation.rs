//! Keeps what one request is given apart from the others. Leptos leaves the context of a page in its
//! thread until the page is done, and what begins there meanwhile becomes a part of it: without this a
//! server function would find, of what it is not given itself, what was given to a page for somebody
//! else (leptos_axum 0.8.10, `handle_server_fns_inner`).

use axum::{extract::Request, middleware::Next, response::Response};
use leptos::{prelude::Owner, reactive::computed::ScopedFuture};

/// Whatever runs for this request finds a context of its own, at first an empty one.
pub async fn layer(request: Request, next: Next) -> Response {
    ScopedFuture {
        owner: Owner::default(),
        observer: None,
        fut: next.run(request),
    }
    .await
}
