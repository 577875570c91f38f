//! The client's IP address, for rate limits and logs. Only trusted proxies may forward it; any other client could spoof it.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;

use super::Site;
use crate::domain::{limits::Client, proxies};

/// The address at the other end of the connection: a visitor's, or that of the proxy before us. Every request carries it in its
/// extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// Maximum number of proxies in a row. Longer chains are not trusted.
const MOST_HOPS: usize = 20;

/// Adds the [`Client`] to the request's extensions, for the rate limits.
pub async fn layer(State(site): State<Site>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let config = &site.app.config;
    let client = peer.map_or(Client::Unknown, |Peer(address)| {
        of(address, request.headers(), &config.trusted_proxies)
    });
    let unknown = peer.and_then(|Peer(address)| {
        unknown_proxy(address, request.headers(), &config.trusted_proxies)
    });
    // `billhook dev` trusts only the browser's own machine, and its rate limits are wide.
    if let Some(proxy) = unknown.filter(|_| !config.dev) {
        site.proxies.met(&site.app, proxy);
    }
    request.extensions_mut().insert(client);
    next.run(request).await
}

/// Headers that proxies set and browsers do not.
const OF_PROXIES: [&str; 4] = [
    "x-forwarded-for",
    "forwarded",
    "x-real-ip",
    "x-forwarded-proto",
];

/// The untrusted proxy through which the request came, if any: a peer that sends forwarding headers, or an address in a private
/// network that a trusted proxy names as its client although it forwards requests itself.
fn unknown_proxy(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let peer = peer.to_canonical();
    if !is_trusted(peer) {
        let speaks = OF_PROXIES.iter().any(|name| headers.contains_key(*name));
        return speaks.then_some(peer);
    }
    let lines = headers.get_all("x-forwarded-for").iter();
    let lines: Vec<_> = lines.map_while(|line| line.to_str().ok()).collect();
    let entries: Vec<_> = lines.iter().flat_map(|line| line.split(',')).collect();
    let mut entries = entries
        .iter()
        .rev()
        .take(MOST_HOPS)
        .map(|entry| read(entry.trim()));
    let first = entries.find(|entry| !entry.is_some_and(is_trusted))??;
    let speaks = entries.next().is_some();
    (speaks && proxies::is_near(first)).then_some(first)
}

/// Whether a trusted proxy says that the browser used http (`X-Forwarded-Proto`).
pub fn is_said_to_be_http(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let Peer(address) = peer;
    let is_trusted = trusted.iter().any(|network| network.contains(&address));
    let said: Vec<_> = headers.get_all("x-forwarded-proto").iter().collect();
    let is_http = |text: &str| {
        text.split(',')
            .all(|part| part.trim().eq_ignore_ascii_case("http"))
    };
    is_trusted && !said.is_empty() && said.iter().all(|line| line.to_str().is_ok_and(is_http))
}

/// The client's address: the peer, or, if that is a trusted proxy, the address that the proxies forward. Reads `X-Forwarded-For`
/// from the right. Each proxy appends the address of its peer, so an entry counts only while the proxy that wrote it is trusted. Entries
/// that a client spoofs are never reached.
pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut current = peer.to_canonical();
    if !is_trusted(current) {
        return key(current);
    }
    let mut lines = Vec::new();
    for line in headers.get_all("x-forwarded-for") {
        let Ok(line) = line.to_str() else {
            return Client::Unknown;
        };
        lines.push(line);
    }
    let entries = lines.iter().flat_map(|line| line.split(','));
    let entries: Vec<_> = entries.map(str::trim).collect();
    for entry in entries.iter().rev().take(MOST_HOPS) {
        let Some(address) = read(entry) else {
            return Client::Unknown;
        };
        current = address;
        if !is_trusted(current) {
            return key(current);
        }
    }
    // All entries are proxies, or no proxy added an entry.
    Client::Unknown
}

/// Whether the address is a trusted reverse proxy.
pub fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    trusted.iter().any(|network| network.contains(&peer))
}

/// The key for rate limits: an IPv4 address, or the network of an IPv6 address.
pub fn key(address: IpAddr) -> Client {
    match address {
        IpAddr::V4(address) => Client::V4(address),
        IpAddr::V6(address) => Client::from(address),
    }
}

/// Parses `192.0.2.1`, `192.0.2.1:8080`, `2001:db8::1` or `[2001:db8::1]:8080`.
fn read(entry: &str) -> Option<IpAddr> {
    let with_port = || entry.parse().ok().map(|address: SocketAddr| address.ip());
    let in_brackets = || {
        let inner = entry.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse().ok().map(IpAddr::V6)
    };
    let address = entry.parse().ok().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> Client {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted = ["127.0.0.0/8", "::1/128", "10.0.0.0/8"].map(|net| net.parse().unwrap());
        of(peer.parse().unwrap(), &headers, &trusted)
    }

    fn v4(address: &str) -> Client {
        Client::V4(address.parse().unwrap())
    }

    #[test]
    fn checklist_65_proxies_that_are_not_named_are_noticed() {
        let trusted = [
            "127.0.0.0/8".parse().unwrap(),
            "10.0.0.0/8".parse().unwrap(),
        ];
        for (peer, name, value, wanted) in [
            (
                "172.18.0.1",
                "x-forwarded-for",
                "203.0.113.9",
                Some("172.18.0.1"),
            ),
            (
                "192.0.2.1",
                "forwarded",
                "for=203.0.113.9",
                Some("192.0.2.1"),
            ),
            (
                "::ffff:172.18.0.1",
                "x-real-ip",
                "203.0.113.9",
                Some("172.18.0.1"),
            ),
            ("172.18.0.1", "accept", "text/html", None),
            ("127.0.0.1", "x-forwarded-for", "203.0.113.9", None),
            (
                "127.0.0.1",
                "x-forwarded-for",
                "203.0.113.9, 10.1.1.1",
                None,
            ),
            (
                "127.0.0.1",
                "x-forwarded-for",
                "203.0.113.9, 172.18.0.1",
                Some("172.18.0.1"),
            ),
            (
                "127.0.0.1",
                "x-forwarded-for",
                "203.0.113.9, 172.18.0.1, 10.1.1.1",
                Some("172.18.0.1"),
            ),
            // A client in the private network, and one that spoofs the header.
            ("127.0.0.1", "x-forwarded-for", "172.18.0.1", None),
            (
                "127.0.0.1",
                "x-forwarded-for",
                "198.51.100.7, 203.0.113.9",
                None,
            ),
            ("127.0.0.1", "x-forwarded-for", "garbage", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            let found = unknown_proxy(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(
                found,
                wanted.map(|it| it.parse().unwrap()),
                "{peer} {name} {value}"
            );
        }
    }

    #[test]
    fn checklist_65_only_trusted_proxies_name_the_client() {
        let net = Client::V6([0x2001, 0xdb8, 0, 1]);
        let twenty = vec!["10.0.0.1"; 20].join(", ");
        for (peer, forwarded, expected) in [
            // Only trusted proxies may forward an address.
            ("192.0.2.1", vec![], v4("192.0.2.1")),
            ("192.0.2.1", vec!["203.0.113.9"], v4("192.0.2.1")),
            ("192.0.2.1", vec!["garbage"], v4("192.0.2.1")),
            ("::ffff:192.0.2.1", vec![], v4("192.0.2.1")),
            ("2001:db8:0:1:2:3:4:5", vec![], net),
            // Read from the right: entries further left come from the client.
            ("127.0.0.1", vec!["203.0.113.9"], v4("203.0.113.9")),
            ("::ffff:127.0.0.1", vec!["203.0.113.9"], v4("203.0.113.9")),
            ("::1", vec!["198.51.100.7, 203.0.113.9"], v4("203.0.113.9")),
            (
                "::1",
                vec!["198.51.100.7", "203.0.113.9"],
                v4("203.0.113.9"),
            ),
            (
                "::1",
                vec!["garbage, 203.0.113.9 , 10.1.2.3"],
                v4("203.0.113.9"),
            ),
            (
                "::1",
                vec![&format!("192.0.2.1,{}", &twenty[10..])],
                v4("192.0.2.1"),
            ),
            // Formats that proxies write.
            ("::1", vec!["203.0.113.9:4711"], v4("203.0.113.9")),
            ("::1", vec!["::ffff:203.0.113.9"], v4("203.0.113.9")),
            ("::1", vec!["2001:db8:0:1::7"], net),
            ("::1", vec!["[2001:db8:0:1::7]"], net),
            ("::1", vec!["[2001:db8:0:1::7]:4711"], net),
            // The client cannot be determined.
            ("::1", vec![], Client::Unknown),
            ("::1", vec![""], Client::Unknown),
            ("::1", vec!["unknown"], Client::Unknown),
            ("::1", vec!["203.0.113.9,"], Client::Unknown),
            ("::1", vec!["203.0.113.9, 256.1.1.1"], Client::Unknown),
            ("::1", vec!["[[::1]"], Client::Unknown),
            ("::1", vec!["203.0.113.9,\tx"], Client::Unknown),
            ("::1", vec!["10.0.0.1, 10.0.0.2"], Client::Unknown),
            ("::1", vec![&format!("192.0.2.1,{twenty}")], Client::Unknown),
        ] {
            assert_eq!(client(peer, &forwarded), expected, "{peer} {forwarded:?}");
        }
        let mut headers = HeaderMap::new();
        let bytes = axum::http::HeaderValue::from_bytes(b"203.0.113.9, \xff").unwrap();
        headers.append("x-forwarded-for", bytes);
        let nobody = of(
            "::1".parse().unwrap(),
            &headers,
            &["::1/128".parse().unwrap()],
        );
        assert_eq!(nobody, Client::Unknown);
    }
}
