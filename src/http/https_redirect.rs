//! Redirects visitors from http to https, once, if `FRONTEND_URL` is https and the proxy does not redirect them itself. Over http our
//! cookies do not reach them, so they could not sign in. A proxy that reports https as http must not cause a redirect loop: if a
//! header of the browser or the URL shows that the visitor was redirected already, the request passes.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{Site, client};
use crate::{config::Config, log_throttle::LogThrottle};

/// Query parameter that marks a URL as already redirected.
const LED: &str = "https";

pub async fn layer(State(site): State<Site>, request: Request, next: Next) -> Response {
    let config = &site.app.config;
    if !config.is_https() {
        return next.run(request).await;
    }
    let headers = request.headers();
    // Browsers send `Sec-Fetch-Site` only over https, or to their own machine.
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

/// Whether a form comes from one of our pages that was loaded over http. The browser's `Origin` header says so.
fn is_from_http(headers: &HeaderMap, frontend: &Url) -> bool {
    let origin = headers.get(header::ORIGIN);
    let origin = origin.and_then(|origin| Url::parse(origin.to_str().ok()?).ok());
    origin.is_some_and(|origin| origin.scheme() == "http" && origin.host() == frontend.host())
}

/// Browsers neither accept nor send `__Host-` cookies over http.
fn has_cookie_of_https(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::COOKIE).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .any(|line| line.contains("__Host-"))
}

fn was_led(target: &Uri) -> bool {
    let query = target.query().unwrap_or_default();
    // Some proxies rewrite it to `https=`.
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

/// The redirect works, but data that was sent over http could be read on its way.
fn tell_operator(now: i64) {
    static BY_HTTP: LogThrottle = LogThrottle::new(600);
    if let Some(count) = BY_HTTP.count(now) {
        tracing::warn!(
            count,
            "visitors came by http and were led to FRONTEND_URL: let the proxy send them there itself, and set X-Forwarded-Proto to what the browser used"
        );
    }
}
