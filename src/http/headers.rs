//! Security headers of every response: Content-Security-Policy (against XSS and clickjacking), caching, and HSTS.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use leptos::{config::Env, nonce::Nonce, prelude::*};

use super::{Site, files::NeverChanges};
use crate::clock;

/// The CSP nonce of one response.
#[derive(Clone, Debug)]
struct ScriptNonce(String);

/// How a response of `billhook dev` uses frames. In the response's extensions. All other pages contain no frames and cannot be framed.
#[derive(Clone, Copy, Debug)]
pub enum Framing {
    /// A page that shows a mail in a frame.
    Shows,
    /// The mail in the frame: no scripts, no loaded resources, an opaque origin. Its links navigate the top-level page.
    Mail,
}

/// Allows nothing but links.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation";

/// Provides the request's CSP nonce to Leptos' context.
pub fn provide_nonce() {
    let nonce = use_context::<axum::http::request::Parts>()
        .and_then(|parts| parts.extensions.get::<ScriptNonce>().cloned());
    if let Some(ScriptNonce(nonce)) = nonce {
        provide_context(Nonce::from_value(nonce));
    }
}

/// Sets the Content-Security-Policy: scripts run only with the nonce, and may load further scripts; forms may also submit to Stripe's
/// portal, since opening it redirects there; all other resources are limited to our origin or forbidden.
pub async fn layer(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let nonce = clock::random_token();
    request.extensions_mut().insert(ScriptNonce(nonce.clone()));
    let mut response = next.run(request).await;
    // `cargo leptos watch` reloads pages through a WebSocket on a port of its own.
    let reload = if site.leptos.env == Env::DEV {
        " ws:"
    } else {
        ""
    };
    let framing = response.extensions().get::<Framing>().copied();
    let frames = match framing {
        Some(Framing::Shows) => " frame-src 'self';",
        _ => "",
    };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic' 'wasm-unsafe-eval'; \
         style-src 'self'; img-src 'self'; connect-src 'self'{reload}; font-src 'none'; \
         object-src 'none';{frames} base-uri 'none'; frame-ancestors 'none'; \
         form-action 'self' {}",
        site.portal_origins
    );
    let policy = match framing {
        Some(Framing::Mail) => MAIL_POLICY.to_owned(),
        _ => policy,
    };
    let never_changes = response.extensions().get::<NeverChanges>().is_some();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    put_usual(headers, site.app.config.is_https());
    if matches!(framing, Some(Framing::Mail)) {
        // When the mail is opened at the top level, browsers refuse a sandboxed page that has this header.
        headers.remove("cross-origin-opener-policy");
    }
    // Pages differ by visitor and over time. Static files have a `Last-Modified` header, and exist in several encodings.
    let is_file = headers.contains_key(header::LAST_MODIFIED);
    let differs_by = if is_file { "accept-encoding" } else { "cookie" };
    let is_said = headers
        .get_all(header::VARY)
        .iter()
        .any(|vary| vary == differs_by);
    if !is_said {
        headers.append(header::VARY, HeaderValue::from_static(differs_by));
    }
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    let cache = match (is_file, never_changes) {
        (true, true) => "public, max-age=31536000, immutable",
        (true, false) => "no-cache",
        // `no-transform`: some CDNs replace email addresses with scripts.
        (false, _) if is_page => "no-store, no-transform",
        (false, _) => "no-store",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// Headers for machines and programs: no browser needs to do anything with these responses.
pub fn for_machines<B>(mut response: Response<B>, is_https: bool) -> Response<B> {
    let headers = response.headers_mut();
    put_usual(headers, is_https);
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn put_usual(headers: &mut HeaderMap, is_https: bool) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if is_https {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
    }
}
