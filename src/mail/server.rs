//! Parses `SMTP_URL`: the server, its encryption, user and password.

use std::net::{IpAddr, Ipv6Addr};

use percent_encoding::percent_decode_str;
use url::Host;

use crate::{config::Secret, mask::shows};

/// When a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Never,
    /// Opportunistic: STARTTLS if the server offers it.
    IfOffered,
    /// STARTTLS is required; without it nothing is sent.
    Demanded,
    FromTheStart,
}

/// The mail submission server.
#[derive(Clone)]
pub struct Server {
    /// A host name, or an IP address without brackets.
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub login: Option<Login>,
}

shows!(Server: port, tls);

/// The credentials for the server.
#[derive(Clone)]
pub struct Login {
    pub user: String,
    pub password: Secret,
}

shows!(Login:);

impl Server {
    /// Parses `smtp://` or `smtps://`, user and password, host, port and `?tls=`. A standard URL parser ends the
    /// user information at the first `/`, `#` or `?`. This one ends it at the last `@`, because no host contains
    /// one, so passwords with these characters are read correctly.
    pub fn read(url: &str) -> Option<Server> {
        let (scheme, rest) = url.split_once("://")?;
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(read_login(login)?), place),
            None => (None, rest),
        };
        let (place, query) = place
            .split_once('?')
            .map_or((place, ""), |(place, query)| (place, query));
        let (tls, usual_port) = match (scheme.to_ascii_lowercase().as_str(), query) {
            ("smtps", "" | "tls=required") => (Tls::FromTheStart, 465),
            ("smtp", "tls=required") => (Tls::Demanded, 587),
            ("smtp", "tls=opportunistic") => (Tls::IfOffered, 587),
            ("smtp", "") => (Tls::Never, 25),
            _ => return None,
        };
        let (host, port) = read_place(place.strip_suffix('/').unwrap_or(place))?;
        Some(Server {
            host,
            port: port.unwrap_or(usual_port),
            tls,
            login,
        })
    }

    /// Whether passwords and mails stay confidential: TLS from the start or required, or a server on this machine.
    /// Opportunistic TLS does not count: an attacker can strip it (downgrade attack).
    pub fn is_private(&self) -> bool {
        let is_here = || match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host == "localhost",
        };
        matches!(self.tls, Tls::FromTheStart | Tls::Demanded) || is_here()
    }
}

/// The first `:` separates user and password. Without a password there are no credentials.
fn read_login(text: &str) -> Option<Login> {
    let decoded = |text: &str| {
        percent_decode_str(text)
            .decode_utf8()
            .ok()
            .map(String::from)
    };
    let (user, password) = text.split_once(':')?;
    let (user, password) = (decoded(user)?, decoded(password)?);
    // NUL separates user and password in AUTH PLAIN (RFC 4616).
    let is_text = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    (is_text(&user) && is_text(&password)).then(|| Login {
        user,
        password: Secret::new(password),
    })
}

fn read_place(text: &str) -> Option<(String, Option<u16>)> {
    let port = |text: &str| text.parse().ok().filter(|port| *port > 0);
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return match after.strip_prefix(':') {
            Some(number) => Some((address.to_string(), Some(port(number)?))),
            None => after.is_empty().then(|| (address.to_string(), None)),
        };
    }
    let (host, number) = match text.split_once(':') {
        Some((host, number)) => (host, Some(port(number)?)),
        None => (text, None),
    };
    match Host::parse(host).ok()? {
        Host::Ipv6(_) => None,
        host => Some((host.to_string(), number)),
    }
}

/// The name for EHLO (RFC 5321, 4.1.3): a host name, or an IP address in brackets.
pub fn ehlo_name(text: &str) -> Option<String> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let is_tagged = inner
        .get(..5)
        .is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let bare = if is_tagged {
        inner.get(5..).unwrap_or_default()
    } else {
        inner
    };
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => return Some(format!("[{address}]")),
        Ok(IpAddr::V6(address)) => return Some(format!("[IPv6:{address}]")),
        Err(_) => {}
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) if is_host_name(&name) => Some(name),
        _ => None,
    }
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> (String, u16, Tls, Option<(String, String)>) {
        let server = Server::read(url).unwrap_or_else(|| panic!("{url}"));
        let login = server
            .login
            .map(|login| (login.user, login.password.expose().to_owned()));
        (server.host, server.port, server.tls, login)
    }

    #[test]
    fn hosts_ports_and_tls_are_read() {
        for (url, host, port, tls) in [
            ("smtp://localhost", "localhost", 25, Tls::Never),
            ("smtp://127.0.0.1:1025/", "127.0.0.1", 1025, Tls::Never),
            ("smtp://[::1]:25", "::1", 25, Tls::Never),
            (
                "smtps://[2001:db8::1]",
                "2001:db8::1",
                465,
                Tls::FromTheStart,
            ),
            (
                "SMTPS://Mail.Example.com",
                "mail.example.com",
                465,
                Tls::FromTheStart,
            ),
            (
                "smtp://mail.example.com?tls=required",
                "mail.example.com",
                587,
                Tls::Demanded,
            ),
            (
                "smtp://m\u{fc}nchen.example:2525/?tls=opportunistic",
                "xn--mnchen-3ya.example",
                2525,
                Tls::IfOffered,
            ),
        ] {
            assert_eq!(read(url), (host.to_owned(), port, tls, None), "{url}");
        }
    }

    #[test]
    fn users_and_passwords_with_any_letter_are_read() {
        for (written, user, password) in [
            ("ada:right", "ada", "right"),
            ("ada@example.com:pa@ss", "ada@example.com", "pa@ss"),
            ("ada:a/b#c?d:e", "ada", "a/b#c?d:e"),
            ("a/d#a:12/34", "a/d#a", "12/34"),
            ("ada:%2F%23%3F%40%3A%25", "ada", "/#?@:%"),
            ("ada:50%off", "ada", "50%off"),
            ("ada:p w+\u{fc}\\", "ada", "p w+\u{fc}\\"),
        ] {
            for url in [
                format!("smtps://{written}@mail.example.com:465"),
                format!("smtp://{written}@mail.example.com:465?tls=required"),
            ] {
                let (host, port, _, login) = read(&url);
                assert_eq!((host.as_str(), port), ("mail.example.com", 465), "{url}");
                assert_eq!(login, Some((user.to_owned(), password.to_owned())), "{url}");
            }
        }
    }

    #[test]
    fn what_can_be_misread_is_refused() {
        for url in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://:25",
            "smtp://mail.example.com:0",
            "smtp://mail.example.com:x",
            "smtp://mail.example.com:99999",
            "smtp://mail.example.com/name",
            "smtp://mail.example.com?tls=none",
            "smtp://mail.example.com?tls=required&x=1",
            "smtp://mail.example.com#x",
            "smtp://::1:25",
            "smtp://[::1",
            "smtp://[::1]x",
            "smtps://ada@mail.example.com",
            "smtps://ada:@mail.example.com",
            "smtps://:right@mail.example.com",
            "smtps://ada:%00@mail.example.com",
            "smtps://ada:%FF@mail.example.com",
            "smtps://ada:12/34",
        ] {
            assert!(Server::read(url).is_none(), "{url}");
        }
    }

    #[test]
    fn names_for_ehlo_are_hosts_or_addresses_in_brackets() {
        for (text, name) in [
            ("Billing.Example.com", Some("billing.example.com")),
            ("localhost", Some("localhost")),
            ("m\u{fc}nchen.example", Some("xn--mnchen-3ya.example")),
            ("192.0.2.1", Some("[192.0.2.1]")),
            ("[192.0.2.1]", Some("[192.0.2.1]")),
            ("2001:db8::1", Some("[IPv6:2001:db8::1]")),
            ("[2001:db8::1]", Some("[IPv6:2001:db8::1]")),
            ("[IPv6:2001:db8::1]", Some("[IPv6:2001:db8::1]")),
            ("", None),
            ("a b", None),
            ("a_b.example.com", None),
            ("-a.example.com", None),
            ("example.com.", None),
            ("https://example.com", None),
            ("x\r\nRCPT TO:<y>", None),
        ] {
            assert_eq!(ehlo_name(text).as_deref(), name, "{text}");
        }
    }
}
