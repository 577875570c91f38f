//! CSRF protection: refuses unsafe requests that another site makes a browser send. Server functions are plain forms, so the
//! cookies' `SameSite=Lax` is the first defence and this layer is the second.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::Site;
use crate::{
    log_throttle::LogThrottle,
    pages::message::{self, Message},
};

const FETCH_SITE: &str = "sec-fetch-site";

/// Seconds between two log lines for the same reason.
const SAY_EVERY: i64 = 600;
/// Maximum number of characters of a foreign header in the log.
const SHOWN: usize = 100;

/// Lets an unsafe method pass only from our own pages. Checks `Sec-Fetch-Site` and `Origin`, as far as the browser sends them; at
/// least one is required (OWASP, Cross-Site Request Forgery Prevention, "Fetch Metadata").
pub async fn layer(State(site): State<Site>, request: Request, next: Next) -> Response {
    let is_safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let config = &site.app.config;
    if is_safe {
        return next.run(request).await;
    }
    let Err(refusal) = judge(request.headers(), &config.origin()) else {
        return next.run(request).await;
    };
    tell_operator(&site, refusal, request.headers());
    let mut response = message::response(config, Message::BadForm);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

/// Why a form was refused. If a proxy rewrites headers, every form is refused, and the reason tells the operator how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("it has two lines of Origin or of Sec-Fetch-Site")]
    Double,
    #[error("its Origin is not FRONTEND_URL's")]
    Origin,
    #[error("its Origin is null, and no Sec-Fetch-Site says that it is of our own pages")]
    Null,
    #[error("its Sec-Fetch-Site says that it is of another site")]
    Site,
    #[error("it has neither Origin nor Sec-Fetch-Site; does a proxy take them away?")]
    Neither,
}

/// Log throttles, one per reason, so that one reason does not suppress another.
#[derive(Debug)]
pub struct Refused([LogThrottle; 5]);

impl Default for Refused {
    fn default() -> Refused {
        Refused([const { LogThrottle::new(SAY_EVERY) }; 5])
    }
}

/// Throttled: any client can send such forms, so they must not fill a log that is kept.
fn tell_operator(site: &Site, refusal: Refusal, headers: &HeaderMap) {
    let line = site.refused.0.get(refusal as usize);
    let Some(count) = line.and_then(|line| line.count(site.app.clock.now())) else {
        return;
    };
    let shown = |name| {
        let text: &HeaderValue = headers.get(name)?;
        let text = String::from_utf8_lossy(text.as_bytes());
        Some(text.chars().take(SHOWN).collect::<String>())
    };
    tracing::warn!(
        %refusal,
        count,
        origin = ?shown(header::ORIGIN.as_str()),
        site = ?shown(FETCH_SITE),
        expected = site.app.config.origin(),
        "a form was refused with 403, as one from another site; if visitors see that, let the proxy pass Origin and Sec-Fetch-Site on as they are, and let FRONTEND_URL be the address in the browser"
    );
}

fn judge(headers: &HeaderMap, origin: &str) -> Result<(), Refusal> {
    // With duplicate headers, this layer and a proxy could each read another one. Browsers never send duplicates.
    if [FETCH_SITE, header::ORIGIN.as_str()]
        .iter()
        .any(|name| headers.get_all(*name).iter().count() > 1)
    {
        return Err(Refusal::Double);
    }
    let bytes = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match (bytes(FETCH_SITE), bytes(header::ORIGIN.as_str())) {
        // With `Referrer-Policy: no-referrer`, which some proxies add, browsers hide the origin of our own
        // forms too (Fetch, "append a request Origin header"). Sec-Fetch-Site they do not let anybody write.
        (Some(b"same-origin"), Some(b"null")) => Ok(()),
        (_, Some(b"null")) => Err(Refusal::Null),
        (_, Some(value)) if value != origin.as_bytes() => Err(Refusal::Origin),
        (Some(b"same-origin" | b"none"), _) | (None, Some(_)) => Ok(()),
        (Some(_), _) => Err(Refusal::Site),
        (None, None) => Err(Refusal::Neither),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checklist_12_what_passes_as_a_form_of_ours() {
        const OURS: &str = "https://billing.example.com";
        let name = header::HeaderName::from_static(FETCH_SITE);
        for (site, origin, expected) in [
            (Some("same-origin"), Some(OURS), Ok(())),
            (Some("same-origin"), None, Ok(())),
            (Some("same-origin"), Some("null"), Ok(())),
            (Some("none"), None, Ok(())),
            (None, Some(OURS), Ok(())),
            (None, Some("null"), Err(Refusal::Null)),
            (Some("none"), Some("null"), Err(Refusal::Null)),
            (Some("same-site"), Some("null"), Err(Refusal::Null)),
            (Some("cross-site"), Some("null"), Err(Refusal::Null)),
            (
                Some("same-origin, cross-site"),
                Some("null"),
                Err(Refusal::Null),
            ),
            (Some("cross-site"), Some(OURS), Err(Refusal::Site)),
            (Some("same-site"), None, Err(Refusal::Site)),
            (Some("SAME-ORIGIN"), None, Err(Refusal::Site)),
            (Some(""), None, Err(Refusal::Site)),
            (Some("same-origin"), Some(""), Err(Refusal::Origin)),
            (Some("same-origin"), Some("NULL"), Err(Refusal::Origin)),
            (
                Some("same-origin"),
                Some("http://billing.example.com"),
                Err(Refusal::Origin),
            ),
            (
                None,
                Some("https://billing.example.com.evil.example"),
                Err(Refusal::Origin),
            ),
            (None, None, Err(Refusal::Neither)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert(name.clone(), HeaderValue::from_static(site));
            }
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(judge(&headers, OURS), expected, "{site:?} {origin:?}");
        }
    }
}
