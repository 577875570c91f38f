//! What a server function can do besides returning a value: read the caller, redirect, set cookies. The only module that
//! touches Leptos' request and response.

use std::time::Instant;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

use crate::{
    cookies,
    domain::{
        App,
        billing::{Arrived, Refusal},
        browser::{self, Visitor},
        caller::Caller,
        limits::Client,
        sign_in::Entry,
    },
    log_throttle::LogThrottle,
    model::ApiError,
    redirects::Places,
    store::{self, Principal, session::Ended},
    stripe::{client::PortalUrl, locale},
};

/// Value of `Retry-After` in seconds, for errors that are worth a retry.
pub const RETRY_AFTER: u64 = 5;

/// The [`App`] from this request's Leptos context.
pub fn app() -> Result<App, ApiError> {
    use_context::<App>().ok_or(ApiError::Unavailable)
}

/// The caller, which the guard has put into the request's extensions.
fn caller() -> Option<Caller> {
    use_context::<Parts>().and_then(|parts| parts.extensions.get::<Caller>().cloned())
}

/// The signed-in person.
pub fn principal() -> Result<Principal, ApiError> {
    match caller() {
        Some(Caller::Visitor(principal)) => Ok(principal),
        _ => Err(ApiError::SignedOut),
    }
}

/// The session of the request's cookies, if it has ended.
pub fn ended() -> Option<Ended> {
    match caller() {
        Some(Caller::Nobody(ended)) => ended,
        _ => None,
    }
}

/// The app and the signed-in person, for server functions that need both. Without a session, responds with 401.
pub fn session() -> Result<(App, Principal), ApiError> {
    match principal() {
        Ok(principal) => Ok((app()?, principal)),
        Err(error) => refuse(error),
    }
}

/// The value of one of our cookies.
pub fn cookie(app: &App, name: cookies::Name) -> Option<String> {
    cookies::read(&headers(), &app.config, name)
}

/// The request's headers.
pub fn headers() -> HeaderMap {
    use_context::<Parts>()
        .map(|parts| parts.headers)
        .unwrap_or_default()
}

/// When the request arrived. Timeouts count from there.
pub fn arrived() -> Instant {
    use_context::<Parts>()
        .and_then(|parts| parts.extensions.get::<Arrived>().copied())
        .map_or_else(Instant::now, |Arrived(at)| at)
}

/// The client's IP address or network; empty if unknown.
pub fn client() -> String {
    let client = use_context::<Parts>().and_then(|parts| parts.extensions.get::<Client>().copied());
    client.map(|client| client.to_string()).unwrap_or_default()
}

/// The locale for Stripe's pages, from the browser's `Accept-Language`. Our own pages are in English only.
pub fn locale() -> &'static str {
    let headers = headers();
    let accepted = headers.get(header::ACCEPT_LANGUAGE);
    locale::of(
        accepted
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    )
}

/// The client that sent the request, as far as the server can tell.
pub fn visitor() -> Visitor {
    Visitor {
        browser: browser::words(&headers()),
        client: client(),
        session: principal()
            .ok()
            .map(|principal| principal.session().to_owned()),
    }
}

/// One parameter of the page's query string.
pub fn query(name: &str) -> Option<String> {
    let parts = use_context::<Parts>()?;
    value_in(parts.uri.query()?, name)
}

/// An email address from the page's query string. A plus stays a plus: forms encode a space as `+`, but no address contains
/// a space, and a hand-written link means the plus of `ada+tag@example.com`.
pub fn query_address(name: &str) -> Option<String> {
    let parts = use_context::<Parts>()?;
    value_in(&parts.uri.query()?.replace('+', "%2B"), name)
}

fn value_in(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Responds with 303 to one of our pages, so that the browser continues with GET.
pub fn see_other(location: &str) {
    redirect(use_context::<Places>().map_or("/", |places| places.local(location)));
}

/// Responds with 303 to Stripe's portal, or to the page of an invoice.
pub fn to_portal(url: &PortalUrl) {
    redirect(url.expose());
}

fn redirect(location: &str) {
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

/// Sets `Retry-After`, in seconds.
pub fn retry_after(seconds: u64) {
    if let Some(options) = use_context::<ResponseOptions>() {
        options.insert_header(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Adds a `Set-Cookie` header.
pub fn set_cookie(line: &str) {
    if let (Some(options), Ok(value)) = (
        use_context::<ResponseOptions>(),
        HeaderValue::from_str(line),
    ) {
        options.append_header(header::SET_COOKIE, value);
    }
}

/// Sets the HTTP status of an error, and returns the error.
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

/// Responds to a click that failed. If the list can show the error beside the customer, redirects there.
pub fn refuse_click(refusal: Refusal, customer: &str) -> Result<(), ApiError> {
    match refusal {
        Refusal::TooMany(wait) => {
            retry_after(wait);
            refuse(ApiError::TooMany)
        }
        Refusal::Told(error @ (ApiError::Unavailable | ApiError::NotSetUp)) => {
            back_to_list(error.code(), customer);
            Ok(())
        }
        Refusal::Told(error) => refuse(error),
    }
}

/// Responds with 303 to the list, which shows the problem beside this customer.
pub fn back_to_list(problem: &str, customer: &str) {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("problem", problem), ("customer", customer)])
        .finish();
    see_other(&format!("/billing?{query}"));
}

/// Logs the database's error and tells the visitor to retry.
pub fn unavailable(error: store::Error) -> ApiError {
    // Any client can trigger this line while the database is down, so it is throttled.
    static SILENT: LogThrottle = LogThrottle::few(10, 60);
    let now = app().map_or(0, |app| app.clock.now());
    if let Some(count) = SILENT.count(now) {
        tracing::error!(%error, count, "the database did not answer");
    }
    set_status(StatusCode::SERVICE_UNAVAILABLE);
    retry_after(RETRY_AFTER);
    ApiError::Unavailable
}

/// Sets the session's cookies, clears those of the sign-in, and redirects to the list.
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
    set_cookie(&cookies::clear(&app.config, cookies::Name::Ended));
    see_other("/billing");
}

/// Clears every cookie, and redirects to the start page.
pub fn signed_out(app: &App) {
    use cookies::Name::{Access, Browser, Link, Refresh};
    for name in [Access, Refresh, Browser, Link] {
        set_cookie(&cookies::clear(&app.config, name));
    }
    forget_everything();
    see_other("/");
}

/// Asks the browser to delete what our pages have stored (`Clear-Site-Data`). Leaves the cache out: it holds none of our pages
/// (`no-store`), and to clear it browsers scan the cache of all sites, which takes seconds.
pub fn forget_everything() {
    if let Some(options) = use_context::<ResponseOptions>() {
        let name = header::HeaderName::from_static("clear-site-data");
        options.insert_header(name, HeaderValue::from_static("\"storage\""));
    }
}
