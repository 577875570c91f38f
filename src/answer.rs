//! What a server function may do besides returning a value: find out who is asking, redirect, set
//! cookies. The one place that touches Leptos' request and answer.

use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

use crate::{
    cookies,
    domain::{
        App,
        browser::{self, Visitor},
        limits::Client,
        sign_in::Entry,
    },
    http::deadline::Arrived,
    model::ApiError,
    pages::message::RETRY_AFTER,
    store::{self, Principal},
};

/// The program, as this request was given it.
pub fn app() -> Result<App, ApiError> {
    use_context::<App>().ok_or(ApiError::Unavailable)
}

/// Who is asking. The guard has put it there.
pub fn principal() -> Result<Principal, ApiError> {
    use_context::<Parts>()
        .and_then(|parts| parts.extensions.get::<Principal>().cloned())
        .ok_or(ApiError::SignedOut)
}

/// The headers of the request.
pub fn headers() -> HeaderMap {
    use_context::<Parts>()
        .map(|parts| parts.headers)
        .unwrap_or_default()
}

/// When the request came: what it may take is counted from there.
pub fn arrived() -> Instant {
    use_context::<Parts>()
        .and_then(|parts| parts.extensions.get::<Arrived>().copied())
        .map_or_else(Instant::now, |Arrived(at)| at)
}

/// Who sent the request, as far as it can be told.
pub fn visitor() -> Visitor {
    let client = use_context::<Parts>().and_then(|parts| parts.extensions.get::<Client>().copied());
    Visitor {
        browser: browser::words(&headers()),
        client: client.map(|client| client.to_string()).unwrap_or_default(),
        session: principal()
            .ok()
            .map(|principal| principal.session().to_owned()),
    }
}

/// One value of the page's query.
pub fn query(name: &str) -> Option<String> {
    let parts = use_context::<Parts>()?;
    let pairs = form_urlencoded::parse(parts.uri.query()?.as_bytes());
    pairs
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Answers 303, so that the browser goes on with GET. `location` is a path of ours or a checked
/// portal address.
pub fn see_other(location: &str) {
    if let (Some(options), Ok(value)) = (
        use_context::<ResponseOptions>(),
        HeaderValue::from_str(location),
    ) {
        options.set_status(StatusCode::SEE_OTHER);
        options.insert_header(header::LOCATION, value);
        options.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

pub fn set_status(status: StatusCode) {
    if let Some(options) = use_context::<ResponseOptions>() {
        options.set_status(status);
    }
}

/// Says after how many seconds it is worth trying again.
pub fn retry_after(seconds: u64) {
    if let Some(options) = use_context::<ResponseOptions>() {
        options.insert_header(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Adds a `Set-Cookie` line.
pub fn set_cookie(line: &str) {
    if let (Some(options), Ok(value)) = (
        use_context::<ResponseOptions>(),
        HeaderValue::from_str(line),
    ) {
        options.append_header(header::SET_COOKIE, value);
    }
}

/// Sets the status that an error stands for, and passes it on.
pub fn refuse<T>(error: ApiError) -> Result<T, ApiError> {
    set_status(match error {
        ApiError::SignedOut => StatusCode::UNAUTHORIZED,
        ApiError::NotFound => StatusCode::NOT_FOUND,
        ApiError::BadRequest => StatusCode::BAD_REQUEST,
        ApiError::Unavailable | ApiError::NotSetUp => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::TooMany => StatusCode::TOO_MANY_REQUESTS,
    });
    Err(error)
}

/// Logs what the database said and tells the visitor to try again.
pub fn unavailable(error: store::Error) -> ApiError {
    tracing::error!(%error, "the database did not answer");
    set_status(StatusCode::SERVICE_UNAVAILABLE);
    retry_after(RETRY_AFTER);
    ApiError::Unavailable
}

/// Hands the session to the browser, takes back what the sign-in needed, and goes to the list.
pub fn signed_in(app: &App, entry: &Entry) {
    for line in cookies::session(&app.config, &entry.tokens) {
        set_cookie(&line);
    }
    set_cookie(&cookies::set(
        &app.config,
        cookies::Name::Device,
        entry.device.expose(),
    ));
    set_cookie(&cookies::clear(&app.config, cookies::Name::Browser));
    set_cookie(&cookies::clear(&app.config, cookies::Name::Link));
    see_other("/billing");
}

/// Takes every cookie back, and goes to the start.
pub fn signed_out(app: &App) {
    use cookies::Name::{Access, Browser, Link, Refresh};
    for name in [Access, Refresh, Browser, Link] {
        set_cookie(&cookies::clear(&app.config, name));
    }
    forget_everything();
    see_other("/");
}

/// Asks the browser to drop what it has kept of our pages, the back button's copies included.
pub fn forget_everything() {
    if let Some(options) = use_context::<ResponseOptions>() {
        let name = header::HeaderName::from_static("clear-site-data");
        options.insert_header(name, HeaderValue::from_static("\"cache\", \"storage\""));
    }
}
