//! Validates settings: whether a value is usable and secure.

use url::Url;

use super::is_loopback;

/// A URL with nothing after the host: https, or http on a loopback address.
pub fn frontend(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url));
    (plain && safe).then_some(url)
}

/// Whether the key has more than its prefix, and is not the example `rk_live_…`.
pub fn is_key(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Secrets from the documentation and the tests, which are public.
const KNOWN: [&str; 6] = [
    "a test secret of more than 32 bytes",
    "a bench secret of more than 32 bytes",
    "0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "whsec_test_billhook",
    "whsec_bench_billhook",
];

/// Whether the secret is public, because it is in the source code of Billhook.
pub fn is_known(secret: &str) -> bool {
    KNOWN.contains(&secret)
}

/// Whether a secret has at least 32 bytes and does not repeat a single character.
pub fn is_strong(secret: &str) -> bool {
    let mut letters: Vec<_> = secret.bytes().collect();
    letters.sort_unstable();
    letters.dedup();
    secret.len() >= 32 && letters.len() >= 8
}
