//! Checks every request of a browser first: the method is known, the target has the usual form, and the `Host` header is
//! `FRONTEND_URL`'s.

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, Method, StatusCode, Uri, header,
        uri::{Authority, PathAndQuery},
    },
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::Site;
use crate::{
    log_throttle::LogThrottle,
    pages::message::{self, Message},
};

pub async fn layer(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let config = &site.app.config;
    let known = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
    if !known.contains(request.method()) {
        let allow = [(header::ALLOW, "GET, HEAD, POST")];
        return (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
    }
    // RFC 9112, 3.2: a server must accept the absolute form too. The other forms are for proxies.
    if !request.uri().path().starts_with('/') {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let Some(host) = asked_for(request.uri(), request.headers()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    if !is_ours(&host, &config.frontend_url) {
        // With `billhook dev` people type `localhost` or `127.0.0.1`, but cookies belong to one host.
        if config.dev && is_this_machine(&host) && request.method() == Method::GET {
            let path = request.uri().path_and_query();
            let path = path.map_or("/", PathAndQuery::as_str);
            return Redirect::temporary(&config.url(path)).into_response();
        }
        tell_operator(site.app.clock.now());
        return message::response(config, Message::WrongHost);
    }
    if request.uri().authority().is_some() {
        // Later layers read only the origin form.
        let target = request.uri().path_and_query().cloned();
        *request.uri_mut() = target.map(Uri::from).unwrap_or_default();
    }
    next.run(request).await
}

/// Logged, since a proxy that rewrites the `Host` header makes the whole site fail. Throttled, since any client can send such requests.
fn tell_operator(now: i64) {
    static MISLED: LogThrottle = LogThrottle::new(600);
    if let Some(count) = MISLED.count(now) {
        tracing::warn!(
            count,
            "requests were for another host than FRONTEND_URL's and got 421; if visitors see that, let the proxy pass the Host header on as it is"
        );
    }
}

/// The requested host. The target takes precedence over the `Host` header (RFC 9112, 3.2.2). `None` without a host, or with more
/// than one.
fn asked_for(target: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut lines = headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return None;
    }
    match target.authority() {
        Some(authority) => Some(authority.clone()),
        None => line?.to_str().ok()?.parse().ok(),
    }
}

fn is_ours(host: &Authority, frontend: &Url) -> bool {
    // Only the scheme's default port may be omitted, or given redundantly.
    let port = match host.port() {
        Some(port) => Some(port.as_u16()),
        None => default_port(frontend),
    };
    !host.as_str().contains('@')
        && frontend
            .host_str()
            .is_some_and(|name| name.eq_ignore_ascii_case(host.host()))
        && port == frontend.port_or_known_default()
}

fn is_this_machine(host: &Authority) -> bool {
    ["localhost", "127.0.0.1", "[::1]"].contains(&host.host())
}

fn default_port(url: &Url) -> Option<u16> {
    match url.scheme() {
        "https" => Some(443),
        _ => Some(80),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_host_is_ours() {
        for (frontend, host, expected) in [
            ("https://billing.example.com", "billing.example.com", true),
            (
                "https://billing.example.com",
                "BILLING.example.com:443",
                true,
            ),
            (
                "https://billing.example.com",
                "billing.example.com:80",
                false,
            ),
            ("https://billing.example.com", "billing.example.com:", true),
            ("https://billing.example.com", "billing.example.com.", false),
            (
                "https://billing.example.com",
                "evil.billing.example.com",
                false,
            ),
            (
                "https://billing.example.com",
                "me@billing.example.com",
                false,
            ),
            ("https://billing.example.com", "127.0.0.1", false),
            ("http://127.0.0.1:3000", "127.0.0.1:3000", true),
            ("http://127.0.0.1:3000", "localhost:3000", false),
            ("http://127.0.0.1:3000", "127.0.0.1", false),
            ("http://[::1]:3000", "[::1]:3000", true),
        ] {
            let frontend = Url::parse(frontend).unwrap();
            let is_ours = host
                .parse()
                .is_ok_and(|host| super::is_ours(&host, &frontend));
            assert_eq!(is_ours, expected, "{host} for {frontend}");
        }
    }
}
