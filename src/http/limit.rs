//! How often a client may ask for a mail and try a code or a link. It is told so by a page that
//! depends on the client alone, and says nothing about an address.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};

use super::Site;
use crate::{
    domain::limits::Client,
    pages::message::{self, Message},
};

pub async fn layer(
    State(site): State<Site>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let client = request.extensions().get().copied();
    let client = client.unwrap_or(Client::Unknown);
    // Another site can make a browser ask for anything by GET: that must not take from its allowance.
    let allowed = match route.as_str() {
        _ if request.method() != Method::POST => Ok(()),
        "/api/ask_link" => site.app.clients.may_ask(client),
        "/api/enter_code" | "/api/confirm_link" => site.app.clients.may_try(client),
        _ => Ok(()),
    };
    match allowed {
        Err(seconds) => {
            // Anybody can bring this about, so it must not fill a log that is kept.
            tracing::debug!(?client, "a client asks too often");
            let mut response = message::response(&site.app.config, Message::TooMany);
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        Ok(()) => next.run(request).await,
    }
}
