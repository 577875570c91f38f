//! The API key: any test key will do, a live key is refused, for its own safety and everyone's.

use axum::http::{HeaderMap, StatusCode};

use super::{error::ApiError, params::first};

pub fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    let header = headers.get("authorization").and_then(|header| header.to_str().ok()).unwrap_or_default();
    let key = key(header).ok_or_else(|| {
        unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). \
             This is a stand-in for Stripe: every key that begins with sk_test_ or rk_test_ will do.",
        )
    })?;
    if key.starts_with("sk_live_") || key.starts_with("rk_live_") {
        return Err(unauthorized(
            "This is a stand-in for Stripe, and it refuses live keys. Use a key that begins with sk_test_ or rk_test_, and consider rolling the live key: it was sent to a test server.",
        ));
    }
    if !["sk_test_", "rk_test_"].iter().any(|prefix| key.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty())) {
        return Err(unauthorized(format!("Invalid API Key provided: {}***", first(&key, 8))));
    }
    Ok(())
}

/// Out of `Bearer KEY`, or out of `Basic`, where the key is the user name.
fn key(header: &str) -> Option<String> {
    let (scheme, value) = header.split_once(' ')?;
    let value = value.trim();
    let key = if scheme.eq_ignore_ascii_case("bearer") {
        value.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(base64(value)?).ok()?;
        pair.split_once(':').map_or(pair.clone(), |(user, _)| user.to_owned())
    } else {
        return None;
    };
    Some(key).filter(|key| !key.is_empty())
}

/// RFC 4648, section 4; padding may be left out. Small enough not to need a library.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for character in text.trim_end_matches('=').bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0x3fff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.extend(u8::try_from((bits >> count) & 0xff));
        }
    }
    Some(bytes)
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
        for refused in ["Bearer sk_live_x", "Bearer sk_test_", "Bearer pk_test_x", "Bearer ", "Basic ???", "Digest sk_test_x", ""] {
            assert!(!ask(refused), "{refused}");
        }
        assert!(check(&HeaderMap::new()).is_err());
    }

    #[test]
    fn base64_is_that_of_the_standard() {
        for (encoded, plain) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYmFy", "foobar")] {
            assert_eq!(base64(encoded).unwrap(), plain.as_bytes());
        }
    }
}
