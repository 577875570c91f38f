//! Authentication. Every route for browsers passes this layer and requires a session, unless its row in [`super::routes`] makes it
//! public. Expired access tokens are renewed before anything is rendered.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Site,
    live::{self, Generation},
    routes::{Access, Route},
};
use crate::{
    cookies::{self, Name},
    domain::{
        caller::Caller,
        limits::Client,
        session::{self, Identity},
        sign_out_notice,
    },
    model::ApiError,
    pages::message::{self, Message},
    store::session::{Ended, Why},
};

pub async fn layer(
    State(site): State<Site>,
    Extension(route): Extension<Arc<Route>>,
    mut request: Request,
    next: Next,
) -> Response {
    let config = &site.app.config;
    let access = cookies::read(request.headers(), config, Name::Access);
    let refresh = cookies::read(request.headers(), config, Name::Refresh);
    let had_cookies = access.is_some() || refresh.is_some();
    let (access, refresh) = (access.as_deref(), refresh.as_deref());
    let client = request.extensions().get::<Client>().map(Client::to_string);
    let client = client.unwrap_or_default();
    let identity = if route.access == Access::Watch {
        // An open page reconnects for as long as it stays open, so this must not count as a use of the session.
        session::peek(&site.app, refresh, &client)
            .await
            .map(|peeked| {
                request
                    .extensions_mut()
                    .insert(Generation(peeked.generation));
                peeked.identity
            })
    } else {
        session::identify(&site.app, access, refresh, &client).await
    };
    let mut lines = Vec::new();
    let (caller, tokens) = match identity {
        Ok(Identity::Known(principal)) => (Caller::Visitor(principal), None),
        Ok(Identity::Renewed(principal, tokens)) => (Caller::Visitor(principal), Some(tokens)),
        Ok(Identity::Nobody) => (Caller::Nobody(None), None),
        // A person who signed out needs no notice, and their address must not stay in the browser.
        Ok(Identity::Ended(Ended {
            why: Some(Why::Here),
            ..
        })) => (Caller::Nobody(None), None),
        Ok(Identity::Ended(ended)) => {
            let now = site.app.clock.now();
            let ended = sign_out_notice::told(ended, now);
            let value = sign_out_notice::seal(&site.app.keys, &ended, now);
            lines.extend(value.map(|value| cookies::set(config, Name::Ended, &value)));
            (Caller::Nobody(Some(ended)), None)
        }
        Err(error) => {
            if let Some(count) = site.faults.count(site.app.clock.now()) {
                tracing::error!(%error, count, "the session could not be looked up");
            }
            return message::response(config, Message::Fault);
        }
    };
    let is_signed_in = matches!(caller, Caller::Visitor(_));
    let mut response = if is_signed_in || route.access == Access::Public {
        request.extensions_mut().insert(caller);
        next.run(request).await
    } else {
        refuse(&request)
    };
    match tokens {
        Some(tokens) => lines.extend(cookies::session(config, &tokens)),
        None if had_cookies && !is_signed_in => {
            lines.extend([Name::Access, Name::Refresh].map(|name| cookies::clear(config, name)));
        }
        None => {}
    }
    // If the handler itself signed in or out, its cookies take precedence.
    if !cookies::is_set(response.headers(), config, Name::Refresh) {
        let values = lines
            .iter()
            .filter_map(|line| HeaderValue::from_str(line).ok());
        for value in values {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// The signed-in address, for the header of pages without a route.
pub async fn glance(site: &Site, headers: &HeaderMap) -> Option<String> {
    let [access, refresh] =
        [Name::Access, Name::Refresh].map(|name| cookies::read(headers, &site.app.config, name));
    let principal = session::glance(&site.app, access.as_deref(), refresh.as_deref()).await?;
    Some(principal.email().to_owned())
}

/// The response without a session: a redirect to the sign-in for pages and forms, a `signed-out` event for an open list, and a
/// 401 with JSON for programs.
fn refuse(request: &Request) -> Response {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let is_page = accept.is_some_and(|accept| accept.contains("text/html"));
    if is_page || matches!(*request.method(), Method::GET | Method::HEAD) && accept.is_none() {
        return Redirect::to("/").into_response();
    }
    if accept == Some("text/event-stream") {
        return live::signed_out();
    }
    (StatusCode::UNAUTHORIZED, axum::Json(ApiError::SignedOut)).into_response()
}
