//! The seven cookies. Only this module knows their names and attributes. On https, cookies carry the `__Host-` prefix and `Secure`.
//! Browsers refuse both on a plain http loopback address, so there they are dropped. `SameSite=Lax` instead of `Strict`: a customer
//! who comes back from Stripe is still signed in.

use axum::http::{HeaderMap, header};
use cookie::{Cookie, SameSite, time::Duration};

use crate::{
    config::Config,
    domain::{
        known_device, purge,
        session::{self, Tokens},
        sign_in, sign_out_notice,
    },
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The access token.
    Access,
    /// The refresh token.
    Refresh,
    /// Identifies the browser that asked for a link.
    Browser,
    /// The token of a link that was opened in this browser and is not yet confirmed.
    Link,
    /// Proves that this browser signed in with an address before. It does not authenticate.
    Device,
    /// Typed text that is not a valid address, for the page that says so.
    Typed,
    /// The reason why a session ended, for the page that shows it.
    Ended,
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
            Name::Ended => "billhook_ended",
        };
        format!("{}{name}", if config.is_https() { "__Host-" } else { "" })
    }

    /// `Max-Age` in seconds.
    fn lifetime(self, config: &Config) -> i64 {
        match self {
            Name::Access => session::ACCESS_LIFETIME,
            // Only the database decides whether the token is valid. The cookie outlives its session, so that a customer who comes
            // back after days learns why they have to sign in again.
            Name::Refresh => config.session_hours * 60 * 60 + purge::SESSIONS_FOR,
            Name::Browser | Name::Link => sign_in::LIFETIME,
            Name::Device => known_device::LIFETIME,
            Name::Typed => 60,
            Name::Ended => sign_out_notice::TOLD_FOR,
        }
    }
}

/// The value of a cookie, if the request contains it exactly once.
///
/// Names are compared byte by byte, as browsers do when they refuse a `__Host-` cookie from another host. A parser that trims more
/// than browsers do, or decodes, would accept a name that browsers let through as one of ours. If a name occurs twice, an attacker may
/// have planted one value (cookie tossing), and nothing tells which. The cookie then counts as absent: a planted cookie at most signs
/// the visitor out.
pub fn read(headers: &HeaderMap, config: &Config, name: Name) -> Option<String> {
    let wanted = name.text(config);
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(|pair| value_of(pair, wanted.as_bytes()));
    let value = values.next().filter(|_| values.next().is_none())?;
    String::from_utf8(value.to_owned()).ok()
}

/// RFC 6265, 5.2: the name ends at the first `=`; blanks around name and value do not count, and a pair without
/// `=` has no name.
fn value_of<'p>(pair: &'p [u8], wanted: &[u8]) -> Option<&'p [u8]> {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    let (name, value) = (parts.next()?, parts.next()?);
    (without_blanks(name) == wanted).then(|| without_blanks(value))
}

/// Space and tab alone.
fn without_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Builds a `Set-Cookie` header.
pub fn set(config: &Config, name: Name, value: &str) -> String {
    build(config, name, value, name.lifetime(config))
}

/// Builds a `Set-Cookie` header that deletes the cookie.
pub fn clear(config: &Config, name: Name) -> String {
    build(config, name, "", 0)
}

/// The `Set-Cookie` headers for a session's two tokens.
pub fn session(config: &Config, tokens: &Tokens) -> [String; 2] {
    [
        set(config, Name::Access, tokens.access.expose()),
        set(config, Name::Refresh, tokens.refresh.expose()),
    ]
}

/// Whether a response sets or clears the cookie.
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

    fn config(frontend_url: &str) -> Config {
        let settings = [
            ("FRONTEND_URL", frontend_url),
            ("STRIPE_API_KEY", "rk_test_billhook"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_test_one"),
            ("SESSION_SECRET", "9e2b7c51d80f4a36b1c4e7f02d5a8893"),
            ("SMTP_URL", "smtp://127.0.0.1:1"),
            ("MAIL_FROM", "billing@example.com"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        crate::config::read(&settings.into()).unwrap()
    }

    fn read_in(config: &Config, lines: &[&[u8]], name: Name) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        read(&headers, config, name)
    }

    #[test]
    fn a_cookie_is_found_among_those_of_others() {
        let config = config("http://127.0.0.1:3000");
        for line in [
            &b"billhook_browser=abc"[..],
            b"other=1; billhook_browser=abc; more=2",
            b"foo=\xe4; billhook_browser=abc",
            b"=; ;billhook_browser=abc;",
            b"\t billhook_browser \t=\t abc \t",
            b"$Version=1; billhook_browser=abc; $Path=/",
            b"billhook_browser; billhook_browser=abc",
            b"Billhook_Browser=x; billhook_browser=abc; billhook_browser2=x",
        ] {
            let value = read_in(&config, &[line], Name::Browser);
            assert_eq!(value.as_deref(), Some("abc"), "{line:?}");
            assert_eq!(read_in(&config, &[line], Name::Link), None);
        }
        let value = |line: &[u8]| read_in(&config, &[line], Name::Browser);
        assert_eq!(value(b"billhook_browser=a=b=").as_deref(), Some("a=b="));
        assert_eq!(value(b"billhook_browser=\"a\"").as_deref(), Some("\"a\""));
        assert_eq!(value(b"billhook_browser=").as_deref(), Some(""));
        assert_eq!(value(b"billhook_browser=%61\xff"), None);
    }

    /// Browsers let a page of a sibling domain set each of these names for our host.
    #[test]
    fn checklist_15_a_name_that_only_looks_like_ours_is_not_ours() {
        let config = config("https://billing.example.com");
        let ours = "__Host-billhook_access";
        let blanks = ('\u{80}'..=char::MAX).filter(|letter| letter.is_whitespace());
        let unseen = [
            '\u{200b}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}', '\u{180e}',
        ];
        let mut names: Vec<Vec<u8>> = blanks
            .chain(unseen)
            .flat_map(|blank| [format!("{blank}{ours}"), format!("{ours}{blank}")])
            .map(String::into_bytes)
            .collect();
        assert!(names.len() > 30, "{}", names.len());
        for name in [
            "__host-billhook_access",
            "__HOST-billhook_access",
            "__Host-billhook%5faccess",
            "%5f_Host-billhook_access",
            "__Secure-billhook_access",
            "billhook_access",
            "\"__Host-billhook_access\"",
            "$__Host-billhook_access",
            "a=__Host-billhook_access",
            "a,__Host-billhook_access",
            "=__Host-billhook_access",
            "",
        ] {
            names.push(name.as_bytes().to_vec());
        }
        for byte in [0x85, 0xa0, 0xff] {
            names.push([&[byte][..], ours.as_bytes()].concat());
            names.push([ours.as_bytes(), &[byte][..]].concat());
        }
        for name in names {
            let planted = [&name[..], b"=planted"].concat();
            assert_eq!(
                read_in(&config, &[&planted], Name::Access),
                None,
                "{name:?}"
            );
            let mine = [&planted[..], b"; __Host-billhook_access=mine"].concat();
            let value = read_in(&config, &[&mine], Name::Access);
            assert_eq!(value.as_deref(), Some("mine"), "{name:?}");
        }
    }

    #[test]
    fn checklist_15_a_name_that_stands_twice_is_absent() {
        let config = config("http://127.0.0.1:3000");
        for lines in [
            &[&b"billhook_browser=a; billhook_browser=b"[..]][..],
            &[b"billhook_browser=a; billhook_browser=a"],
            &[b"billhook_browser=a", b"billhook_browser=b"],
            &[b"billhook_browser=a; x=1", b"y=2;\tbillhook_browser =b"],
            &[b"billhook_browser=a; billhook_browser="],
            &[b"billhook_browser=a; billhook_browser=\xff"],
        ] {
            assert_eq!(read_in(&config, lines, Name::Browser), None, "{lines:?}");
        }
    }
}
