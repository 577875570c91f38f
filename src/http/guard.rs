//! Who is this? Every route passes here, and every route is closed but those in [`PUBLIC`]. Expired
//! access is renewed before anything is rendered.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Site,
    live::{self, Generation},
};
use crate::{
    cookies::{self, Name},
    domain::{
        limits::Client,
        parting,
        session::{self, Identity},
    },
    model::{ApiError, LIVE},
    pages::message::{self, Message},
    store::session::{Ended, Why},
};

/// The routes that need no session.
pub const PUBLIC: &[&str] = &[
    "/",
    "/sign-in/check",
    "/sign-in/confirm",
    "/sign-in/link",
    "/api/ask_link",
    "/api/enter_code",
    "/api/confirm_link",
    // Signing out twice is no error.
    "/api/sign_out",
    "/dev/mail",
    "/dev/mail/{number}",
    "/dev/mail/{number}/html",
    "/dev/stripe",
];

pub async fn layer(
    State(site): State<Site>,
    route: MatchedPath,
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
    let identity = if route.as_str() == LIVE {
        // The browser comes back for it for as long as a page is open.
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
    let (principal, tokens) = match identity {
        Ok(Identity::Known(principal)) => (Some(principal), None),
        Ok(Identity::Renewed(principal, tokens)) => (Some(principal), Some(tokens)),
        Ok(Identity::Nobody) => (None, None),
        // Whoever signed out knows it, and leaves no address behind.
        Ok(Identity::Ended(Ended {
            why: Some(Why::Here),
            ..
        })) => (None, None),
        Ok(Identity::Ended(ended)) => {
            let value = parting::seal(&site.app.keys, &ended, site.app.clock.now());
            lines.extend(value.map(|value| cookies::set(config, Name::Ended, &value)));
            request.extensions_mut().insert(ended);
            (None, None)
        }
        Err(error) => {
            if let Some(count) = site.faults.count(site.app.clock.now()) {
                tracing::error!(%error, count, "the session could not be looked up");
            }
            return message::response(config, Message::Fault);
        }
    };
    let is_signed_in = principal.is_some();
    let mut response = if !is_signed_in && !PUBLIC.contains(&route.as_str()) {
        refuse(&request)
    } else if is_signed_in && route.as_str() == "/" {
        Redirect::to("/billing").into_response()
    } else {
        if let Some(principal) = principal {
            request.extensions_mut().insert(principal);
        }
        next.run(request).await
    };
    match tokens {
        Some(tokens) => lines.extend(cookies::session(config, &tokens)),
        None if had_cookies && !is_signed_in => {
            lines.extend([Name::Access, Name::Refresh].map(|name| cookies::clear(config, name)));
        }
        None => {}
    }
    // A sign-in or sign-out inside has the last word.
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

/// The address that is signed in, for the header of a page that no route makes.
pub async fn glance(site: &Site, headers: &HeaderMap) -> Option<String> {
    let [access, refresh] =
        [Name::Access, Name::Refresh].map(|name| cookies::read(headers, &site.app.config, name));
    let principal = session::glance(&site.app, access.as_deref(), refresh.as_deref()).await?;
    Some(principal.email().to_owned())
}

/// Pages and forms lead to the sign-in, an open list is told that it is over, and programs get a
/// 401 that they can read.
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
