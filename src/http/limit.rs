//! Rate limit per client: how often it may ask for a mail, or try a code or a link. The error page depends only on the client, so it
//! reveals nothing about an address.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};

use super::{
    Site,
    client::Peer,
    routes::{Limit, Route},
};
use crate::{
    domain::limits::Client,
    pages::message::{self, Message},
};

pub async fn layer(
    State(site): State<Site>,
    Extension(route): Extension<Arc<Route>>,
    request: Request,
    next: Next,
) -> Response {
    let client = request.extensions().get().copied();
    let client = client.unwrap_or(Client::Unknown);
    // Only POST counts: another site can make a browser send any GET (CSRF), which must not use up the client's limit.
    let allowed = match route.limit {
        _ if request.method() != Method::POST => Ok(()),
        // With `billhook dev` one person tries many things, and there is no one to protect.
        _ if site.app.config.dev && is_here(&request) => Ok(()),
        Limit::Ask => {
            if client == Client::Unknown {
                tell_operator(&site, &request);
            }
            site.app.clients.may_ask(client)
        }
        Limit::Try => site.app.clients.may_try(client),
        Limit::None => Ok(()),
    };
    match allowed {
        Err(seconds) => {
            // At debug level: any client can trigger this line, so it must not fill a log that is kept.
            tracing::debug!(?client, "a client asks too often");
            let mut response = message::response(&site.app.config, Message::TooMany);
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
            response
        }
        Ok(()) => next.run(request).await,
    }
}

/// Whether the request comes from this machine.
fn is_here(request: &Request) -> bool {
    let peer = request.extensions().get::<Peer>();
    peer.is_some_and(|Peer(address)| address.to_canonical().is_loopback())
}

/// Visitors with an unknown address share one rate limit. A proxy that does not forward addresses thus blocks the sign-in for nearly
/// all visitors.
fn tell_operator(site: &Site, request: &Request) {
    let Some(count) = site.app.clients.count_unknown(site.app.clock.now()) else {
        return;
    };
    let peer = request.extensions().get::<Peer>();
    let peer = peer.map(|Peer(address)| address.to_string());
    tracing::warn!(
        count,
        peer,
        "sign-ins were asked for through a proxy of TRUSTED_PROXIES that names no visitor in X-Forwarded-For, so all visitors share one strict limit: one mail a minute. Let the proxy write the visitor's address there (nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; Caddy and Traefik do so by themselves). With proxies behind each other, name all of them in TRUSTED_PROXIES and let each add to that header. With no proxy, take this address out of TRUSTED_PROXIES"
    );
}
