//! Keeps what one request is given apart from the others. Leptos leaves the context of a page in its
//! thread until the page is done, and answers with a file by the context that it finds there: such a
//! file had the status, and took the headers, of a page that was being made for somebody else
//! (leptos_axum 0.8.10, `file_and_error_handler_with_context`).

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
