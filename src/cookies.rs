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
        // Ours are ASCII; another program's beside them may be anything.
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| Cookie::parse(std::str::from_utf8(pair).ok()?).ok())
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_cookie_is_found_among_those_of_others() {
        let settings = [
            ("FRONTEND_URL", "http://127.0.0.1:3000"),
            ("STRIPE_API_KEY", "rk_test_billhook"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_test_billhook"),
            ("SESSION_SECRET", "a test secret of more than 32 bytes"),
            ("SMTP_URL", "smtp://127.0.0.1:1"),
            ("MAIL_FROM", "billing@example.com"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = crate::config::read(&settings.into()).unwrap();
        for line in [
            &b"billhook_browser=abc"[..],
            b"other=1; billhook_browser=abc; more=2",
            b"foo=\xe4; billhook_browser=abc",
            b"=; ;billhook_browser=abc;",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
            let value = read(&headers, &config, Name::Browser);
            assert_eq!(value.as_deref(), Some("abc"), "{line:?}");
            assert_eq!(read(&headers, &config, Name::Link), None);
        }
    }
}
