//! Refuses what another site makes a browser send. Server functions are plain forms, so the cookie's
//! SameSite=Lax is the first guard and this is the second.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::Site;
use crate::pages::message::{self, Message};

/// Lets an unsafe method through only from our own pages: by Sec-Fetch-Site where the browser
/// sends it, and by Origin where it sends that; one of the two it has to send (OWASP, Cross-Site Request Forgery Prevention, "Fetch Metadata").
pub async fn layer(State(site): State<Site>, request: Request, next: Next) -> Response {
    let is_safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let config = &site.app.config;
    if is_safe || is_own(request.headers(), &config.origin()) {
        return next.run(request).await;
    }
    // Anybody can send these, so they must not fill a log that is kept.
    tracing::debug!("a form from another site was refused");
    let mut response = message::response(config, Message::BadForm);
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

fn is_own(headers: &HeaderMap, origin: &str) -> bool {
    // Of two lines this layer and a proxy could mean different ones. No browser sends them.
    if ["sec-fetch-site", header::ORIGIN.as_str()]
        .iter()
        .any(|name| headers.get_all(*name).iter().count() > 1)
    {
        return false;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        (_, Some(value)) if value != origin => false,
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, from) => from.is_some(),
    }
}
