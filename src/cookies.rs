//! The six cookies, and the only place that knows their names and attributes. On https they carry
//! the `__Host-` prefix and Secure; on a plain loopback address browsers refuse both, so there they
//! are dropped. Lax, not Strict: a customer who comes back from Stripe is still signed in.

use axum::http::{HeaderMap, header};
use cookie::{Cookie, SameSite, time::Duration};

use crate::{
    config::Config,
    domain::{
        session::{self, Tokens},
        sign_in,
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The access token.
    Access,
    /// The refresh token.
    Refresh,
    /// Marks the browser that asked for a link.
    Browser,
    /// The token of a link that was opened here and not yet confirmed.
    Link,
    /// Proves that this browser signed in with an address before. It signs nobody in.
    Device,
    /// What was typed and is no address, for the page that says so.
    Typed,
}

impl Name {
    fn text(self, config: &Config) -> String {
        let name = match self {
            Name::Access => "billhook_access",
            Name::Refresh => "billhook_refresh",
            Name::Browser => "billhook_browser",
            Name::Link => "billhook_link",
            Name::Device => "billhook_device",
            Name::Typed => "billhook_typed",
        };
        format!("{}{name}", if config.is_https() { "__Host-" } else { "" })
    }

    /// Seconds that a browser keeps it.
    fn lifetime(self, config: &Config) -> i64 {
        match self {
            Name::Access => session::ACCESS_LIFETIME,
            Name::Refresh => config.session_hours * 60 * 60,
            Name::Browser | Name::Link => sign_in::LIFETIME,
            Name::Device => 365 * 24 * 60 * 60,
            Name::Typed => 60,
        }
    }
}

/// The value of a cookie, if the request has it.
pub fn read(headers: &HeaderMap, config: &Config, name: Name) -> Option<String> {
    let wanted = name.text(config);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == wanted)
        .map(|cookie| cookie.value().to_owned())
}

/// A `Set-Cookie` line.
pub fn set(config: &Config, name: Name, value: &str) -> String {
    build(config, name, value, name.lifetime(config))
}

/// A `Set-Cookie` line that removes the cookie.
pub fn clear(config: &Config, name: Name) -> String {
    build(config, name, "", 0)
}

/// The lines for a session's two tokens.
pub fn session(config: &Config, tokens: &Tokens) -> [String; 2] {
    [
        set(config, Name::Access, tokens.access.expose()),
        set(config, Name::Refresh, tokens.refresh.expose()),
    ]
}

/// Whether an answer sets or clears the cookie.
pub fn is_set(headers: &HeaderMap, config: &Config, name: Name) -> bool {
    let start = format!("{}=", name.text(config));
    let lines = headers.get_all(header::SET_COOKIE);
    lines
        .iter()
        .any(|line| line.as_bytes().starts_with(start.as_bytes()))
}

fn build(config: &Config, name: Name, value: &str, seconds: i64) -> String {
    Cookie::build((name.text(config), value))
        .path("/")
        .http_only(true)
        .secure(config.is_https())
        .same_site(SameSite::Lax)
        .max_age(Duration::seconds(seconds))
        .build()
        .to_string()
}
