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

/// 32 bytes or more that are not one letter over and over.
pub fn is_strong(secret: &str) -> bool {
    let mut letters: Vec<_> = secret.bytes().collect();
    letters.sort_unstable();
    letters.dedup();
    secret.len() >= 32 && letters.len() >= 8
}
