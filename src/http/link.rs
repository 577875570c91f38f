//! `GET /sign-in/link?token=…`, where the mail's link leads. It consumes nothing, however often it
//! is opened: it moves the token out of the address, which histories and proxies keep, into a
//! short-lived cookie, and goes on to the page with the button.

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
        // The page then says that this link does not work. That a browser keeps no cookies is another matter.
        None => cookies::set(config, Name::Link, "none"),
    };
    (
        AppendHeaders([(header::SET_COOKIE, line)]),
        Redirect::to("/sign-in/confirm"),
    )
        .into_response()
}
