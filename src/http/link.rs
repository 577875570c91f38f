//! `GET /sign-in/link?token=…`, the link in the mail. Safe and idempotent: opening it does not consume the token. Moves the token out of
//! the URL, which histories and proxies store, into a short-lived cookie, and redirects to the page with the button.

use axum::{
    extract::{RawQuery, State},
    http::header,
    response::{AppendHeaders, IntoResponse, Redirect, Response},
};

use super::Site;
use crate::{
    cookies::{self, Name},
    domain::sign_in,
};

pub async fn open(State(site): State<Site>, RawQuery(query): RawQuery) -> Response {
    let config = &site.app.config;
    let query = query.unwrap_or_default();
    let token = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "token")
        .map(|(_, value)| value.into_owned())
        .filter(|value| sign_in::is_token(value));
    let line = match token {
        Some(token) => cookies::set(config, Name::Link, &token),
        // A marker, so that the page says that the link is invalid. A missing cookie would mean that the browser blocks cookies.
        None => cookies::set(config, Name::Link, "none"),
    };
    (
        AppendHeaders([(header::SET_COOKIE, line)]),
        Redirect::to("/sign-in/confirm"),
    )
        .into_response()
}
