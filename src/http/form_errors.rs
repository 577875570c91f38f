//! Sets the right status on errors of server functions, and renders an error page for forms without JavaScript. By default Leptos
//! redirects the browser back to the `Referer` with the error in the URL, where any site could forge it. This layer responds with a page
//! instead, which repeats no input.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Site, guard,
    routes::{self, Handler},
};
use crate::{
    model::ApiError,
    pages::message::{self, Message},
};

/// Leptos marks errors of server functions with this header.
const ERROR_MARK: &str = "serverfnerror";

pub async fn layer(State(site): State<Site>, request: Request, next: Next) -> Response {
    let is_function =
        routes::of(&request).is_some_and(|route| matches!(route.handler, Handler::Function));
    if !is_function {
        return next.run(request).await;
    }
    let accept = text(request.headers(), header::ACCEPT);
    let headers = request.headers().clone();
    let is_form = accept.is_some_and(|accept| accept.contains("text/html"));
    let response = if request.method() == Method::POST && !is_plain_form(request.headers()) {
        StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response()
    } else {
        next.run(request).await
    };
    let response = with_true_status(response);
    let status = response.status();
    if status == StatusCode::FOUND {
        // Our own redirects are 303. This 302 comes from Leptos and follows the `Referer`, which is an open redirect: replace it.
        let mut away = Redirect::to("/billing").into_response();
        keep_cookies(&response, &mut away);
        return away;
    }
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_form || !is_error {
        return response;
    }
    let message = match status {
        StatusCode::NOT_FOUND => Message::NotFound,
        StatusCode::TOO_MANY_REQUESTS => Message::TooMany,
        status if status.is_server_error() => Message::Fault,
        _ => Message::BadForm,
    };
    // The database may be the cause of the error, so it is not asked who is signed in.
    let address = if status.is_server_error() {
        None
    } else {
        guard::glance(&site, &headers).await
    };
    let mut page = message::response_for(&site.app.config, message, address);
    if status.is_client_error() {
        *page.status_mut() = status;
    }
    if let Some(wait) = response.headers().get(header::RETRY_AFTER) {
        page.headers_mut().insert(header::RETRY_AFTER, wait.clone());
    }
    keep_cookies(&response, &mut page);
    page
}

/// Our own errors have set their status. Otherwise the framework failed: an argument was missing or could not be parsed, and the
/// server function did not run.
fn with_true_status(response: Response) -> Response {
    let is_undecided = !response.status().is_client_error()
        && response.status() != StatusCode::SERVICE_UNAVAILABLE;
    if !is_undecided || !response.headers().contains_key(ERROR_MARK) {
        return response;
    }
    let mut answer = (StatusCode::BAD_REQUEST, Json(ApiError::BadRequest)).into_response();
    keep_cookies(&response, &mut answer);
    let mark = response.headers().get(ERROR_MARK).cloned();
    if let Some(mark) = mark {
        answer.headers_mut().insert(ERROR_MARK, mark);
    }
    answer
}

/// Keeps `Set-Cookie` headers: the guard may have renewed the session.
fn keep_cookies(from: &Response, to: &mut Response) {
    for line in from.headers().get_all(header::SET_COOKIE) {
        to.headers_mut().append(header::SET_COOKIE, line.clone());
    }
}

/// Whether the body is a plain form, or has no content type.
fn is_plain_form(headers: &HeaderMap) -> bool {
    let is_there = headers.contains_key(header::CONTENT_TYPE);
    let kind = text(headers, header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    !is_there
        || kind.is_some_and(|kind| {
            kind.trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        })
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
