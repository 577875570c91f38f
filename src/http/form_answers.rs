//! Gives forms without JavaScript an answer that a person can read. A server function that refuses
//! would send the browser back where it came from with the error in the address, where anybody
//! could forge it; here it becomes a page with the right status.

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::Site;
use crate::pages::message::{self, Message};

/// Server functions mark their errors with this header.
const ERROR_MARK: &str = "serverfnerror";

pub async fn layer(State(site): State<Site>, request: Request, next: Next) -> Response {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let is_form = request.uri().path().starts_with("/api/")
        && accept.is_some_and(|accept| accept.contains("text/html"));
    let response = next.run(request).await;
    let status = response.status();
    let refused = response.headers().contains_key(ERROR_MARK) || status.is_client_error();
    if !is_form || !(refused || status.is_server_error() || status == StatusCode::FOUND) {
        return response;
    }
    if !refused && status == StatusCode::FOUND {
        // Ours are 303. This one is Leptos' own, to wherever the Referer says; nobody is sent there.
        return Redirect::to("/billing").into_response();
    }
    let (message, status) = match status {
        StatusCode::NOT_FOUND => (Message::NotFound, status),
        StatusCode::TOO_MANY_REQUESTS => (Message::TooMany, status),
        status if status.is_server_error() => (Message::Fault, StatusCode::SERVICE_UNAVAILABLE),
        status if status.is_client_error() => (Message::BadForm, status),
        // An argument was missing or unreadable: the server function itself never ran.
        _ => (Message::BadForm, StatusCode::BAD_REQUEST),
    };
    let mut page = message::response(&site.app.config, message);
    *page.status_mut() = status;
    if let Some(wait) = response.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    // The guard may have renewed the session on the way.
    for line in response.headers().get_all(header::SET_COOKIE) {
        page.headers_mut().append(header::SET_COOKIE, line.clone());
    }
    page
}
