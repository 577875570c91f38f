//! The API key: any test key will do, a live key is refused, for its own safety and everyone's.

use axum::http::{HeaderMap, StatusCode};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::wire::{error::ApiError, params::first};

/// The key, if it is one.
pub fn check(headers: &HeaderMap) -> Result<String, ApiError> {
    let header = headers
        .get("authorization")
        .and_then(|header| header.to_str().ok())
        .unwrap_or_default();
    let key = key(header).ok_or_else(|| {
        unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization \
             header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). This is a \
             stand-in for Stripe: every key that begins with sk_test_ or rk_test_ will do.",
        )
    })?;
    if key.starts_with("sk_live_") || key.starts_with("rk_live_") {
        return Err(unauthorized(
            "This is a stand-in for Stripe, and it refuses live keys. Use a key that begins with \
             sk_test_ or rk_test_, and consider rolling the live key: it was sent to a test server.",
        ));
    }
    if !["sk_test_", "rk_test_"].iter().any(|prefix| {
        key.strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty())
    }) {
        return Err(unauthorized(format!(
            "Invalid API Key provided: {}***",
            first(&key, 8)
        )));
    }
    Ok(key)
}

/// Out of `Bearer KEY`, or out of `Basic`, where the key is the user name.
fn key(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    let value = value.trim();
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        value.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(BASE64_STANDARD.decode(value).ok()?).ok()?;
        pair.split_once(':')
            .map_or(pair.clone(), |(user, _)| user.to_owned())
    } else {
        return None;
    };
    Some(key).filter(|key| !key.is_empty())
}

fn unauthorized(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(header: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", header.parse().unwrap());
        check(&headers).is_ok()
    }

    #[test]
    fn test_keys_pass_and_others_do_not() {
        assert!(ask("Bearer sk_test_billhook"));
        assert!(ask("bearer rk_test_billhook"));
        assert!(ask("Basic c2tfdGVzdF9iaWxsaG9vazo="));
        for refused in [
            "Bearer sk_live_x",
            "Bearer sk_test_",
            "Bearer pk_test_x",
            "Bearer ",
            "Basic ???",
            "Digest sk_test_x",
            "",
        ] {
            assert!(!ask(refused), "{refused}");
        }
        assert!(check(&HeaderMap::new()).is_err());
    }
}
