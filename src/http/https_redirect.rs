//! Visitors who come by http where `FRONTEND_URL` is https, since the proxy does not send them on: no cookie of
//! ours reaches them there, so nobody could sign in. They are led to https, once. A proxy that calls https http
//! cannot make a loop of that: where a browser or the address shows that it was led there, it is taken in.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{Site, client};
use crate::{config::Config, log_throttle::LogThrottle};

/// Stands in the query of an address that somebody was led to.
const LED: &str = "https";

pub async fn layer(State(site): State<Site>, request: Request, next: Next) -> Response {
    let config = &site.app.config;
    if !config.is_https() {
        return next.run(request).await;
    }
    let headers = request.headers();
    // Browsers send this only where they see https, or their own machine.
    let has_site = headers.contains_key("sec-fetch-site");
    if request.method() == Method::POST && !has_site && is_from_http(headers, &config.frontend_url)
    {
        tell_operator(site.app.clock.now());
        return Redirect::to(&config.url("/")).into_response();
    }
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let peer = request.extensions().get::<client::Peer>().copied();
    let is_http =
        peer.is_some_and(|peer| client::is_said_to_be_http(peer, headers, &config.trusted_proxies));
    let is_seen_as_https = has_site || has_cookie_of_https(headers);
    if is_read && is_http && !is_seen_as_https && !was_led(request.uri()) {
        tell_operator(site.app.clock.now());
        return Redirect::temporary(&led(config, request.uri())).into_response();
    }
    next.run(request).await
}

/// Whether a form is from a page of ours that was got by http. Browsers say so themselves.
fn is_from_http(headers: &HeaderMap, frontend: &Url) -> bool {
    let origin = headers.get(header::ORIGIN);
    let origin = origin.and_then(|origin| Url::parse(origin.to_str().ok()?).ok());
    origin.is_some_and(|origin| origin.scheme() == "http" && origin.host() == frontend.host())
}

/// Browsers take none of these from http, and send none there.
fn has_cookie_of_https(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .any(|line| line.contains("__Host-"))
}

fn was_led(target: &Uri) -> bool {
    let query = target.query().unwrap_or_default();
    // Some proxies write it as `https=`.
    let mut parts = query.split('&');
    parts.any(|part| part.trim_end_matches('=') == LED)
}

fn led(config: &Config, target: &Uri) -> String {
    let query = match target.query() {
        Some(query) if !query.is_empty() => format!("{query}&{LED}"),
        _ => LED.to_owned(),
    };
    config.url(&format!("{}?{query}", target.path()))
}

/// It works, but what went by http could be read on its way.
fn tell_operator(now: i64) {
    static BY_HTTP: LogThrottle = LogThrottle::new(600);
    if let Some(count) = BY_HTTP.count(now) {
        tracing::warn!(
            count,
            "visitors came by http and were led to FRONTEND_URL: let the proxy send them there itself, and set X-Forwarded-Proto to what the browser used"
        );
    }
}
