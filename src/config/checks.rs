//! What a setting must be to be of use, and safe.

use url::Url;

use super::is_loopback;

/// An address without anything after the host: https, or http on this machine.
pub fn frontend(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    (plain && safe).then_some(url)
}

/// Whether it is more than a beginning, and not the example's `rk_live_…`.
pub fn is_key(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// What the documentation and the tests call a secret, and what everybody therefore knows.
const KNOWN: [&str; 6] = [
    "a test secret of more than 32 bytes",
    "a bench secret of more than 32 bytes",
    "0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "whsec_test_billhook",
    "whsec_bench_billhook",
];

/// Whether anybody could have it from the source code of Billhook.
pub fn is_known(secret: &str) -> bool {
    KNOWN.contains(&secret)
}

/// 32 bytes or more that are not one letter over and over.
pub fn is_strong(secret: &str) -> bool {
    let mut letters: Vec<_> = secret.bytes().collect();
    letters.sort_unstable();
    letters.dedup();
    secret.len() >= 32 && letters.len() >= 8
}
