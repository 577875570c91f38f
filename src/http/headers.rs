//! Headers of every answer: what browsers may do with our pages.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use leptos::{config::Env, nonce::Nonce, prelude::*};

use super::{Site, files::NeverChanges};
use crate::clock;

/// One value for scripts of one answer.
#[derive(Clone, Debug)]
struct ScriptNonce(String);

/// What an answer of `billhook dev` has to do with frames, in its extensions. All other pages have none, and are in none.
#[derive(Clone, Copy, Debug)]
pub enum Framing {
    /// A page that shows a mail in one.
    Shows,
    /// The mail: no script, nothing that is loaded, and not our origin. Its links lead the whole page on.
    Mail,
}

/// Links alone.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'; sandbox allow-top-navigation-by-user-activation";

/// Hands the nonce of this request to what Leptos renders.
pub fn provide_nonce() {
    let nonce = use_context::<axum::http::request::Parts>()
        .and_then(|parts| parts.extensions.get::<ScriptNonce>().cloned());
    if let Some(ScriptNonce(nonce)) = nonce {
        provide_context(Nonce::from_value(nonce));
    }
}

/// Scripts run by nonce alone, and so does what they load; forms may lead to Stripe's portal, since that is where opening it
/// redirects; everything else is our own or nothing.
pub async fn layer(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let nonce = clock::random_token();
    request.extensions_mut().insert(ScriptNonce(nonce.clone()));
    let mut response = next.run(request).await;
    // `cargo leptos watch` tells pages to reload through a socket on a port of its own.
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
        // Opened by itself, a browser shows no page that has this header and a sandbox.
        headers.remove("cross-origin-opener-policy");
    }
    // Pages are of one person and one moment. Files of the site say when they changed, and lie there in
    // several encodings.
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
        // Some CDNs put scripts into pages in place of e-mail addresses.
        (false, _) if is_page => "no-store, no-transform",
        (false, _) => "no-store",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

/// What programs ask for: no browser has any business with it.
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
