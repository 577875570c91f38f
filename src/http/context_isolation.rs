//! Isolates the Leptos context of each request. Leptos leaves the context of a page in its thread until the page is done, and tasks
//! that start there meanwhile inherit it. Without this layer, a server function would see another visitor's values for every
//! type that its own context lacks (leptos_axum 0.8.10, `handle_server_fns_inner`).

use axum::{extract::Request, middleware::Next, response::Response};
use leptos::{prelude::Owner, reactive::computed::ScopedFuture};

/// Runs the request in a context of its own, which is empty at first.
pub async fn layer(request: Request, next: Next) -> Response {
    ScopedFuture {
        owner: Owner::default(),
        observer: None,
        fut: next.run(request),
    }
    .await
}
