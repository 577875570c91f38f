//! Telling somebody why they were signed out, on the next page that they see. What is to be told travels in a
//! cookie: an address stands in no URL, and nobody but the server can make the value, so what is planted shows
//! nothing.

use super::keys::{self, Keys, Purpose};
use crate::store::session::{Ended, Why};

/// Seconds for which it is told.
pub const TOLD_FOR: i64 = 5 * 60;

/// Seconds after an end by itself in which the address is told too.
const ADDRESS_FOR: i64 = 7 * 24 * 60 * 60;
/// The same after an end that somebody ordered, or that was for safety.
const ADDRESS_FOR_ORDERED: i64 = 60 * 60;

/// What may be told to whoever shows a token of the session. Until a moment ago they could have read the address
/// in the session itself; whoever finds an old token, on a machine that was lost or sold, is told why at most.
pub fn told(ended: Ended, now: i64) -> Ended {
    let most = match ended.why {
        Some(Why::Idle | Why::Age) => ADDRESS_FOR,
        _ => ADDRESS_FOR_ORDERED,
    };
    match now.abs_diff(ended.at) < most.unsigned_abs() {
        true => ended,
        false => Ended {
            email: String::new(),
            ..ended
        },
    }
}

/// The value of the cookie, or nothing where nothing is to be told: whoever signs out knows it, and leaves no
/// address behind.
pub fn seal(keys: &Keys, ended: &Ended, now: i64) -> Option<String> {
    if ended.why == Some(Why::Here) {
        return None;
    }
    let why = ended.why.map(Why::as_str).unwrap_or_default();
    let body = format!("{why}.{now}.{}", keys::encode(ended.email.as_bytes()));
    let tag = keys::encode(&keys.mac(Purpose::Ended, &body));
    Some(format!("{body}.{tag}"))
}

/// What such a value tells, if it is one of ours and not old.
pub fn open(keys: &Keys, value: &str, now: i64) -> Option<Ended> {
    let (body, tag) = value.rsplit_once('.')?;
    let is_ours = keys.verify(Purpose::Ended, body, &keys::decode(tag)?);
    let mut parts = body.split('.').filter(|_| is_ours);
    let (why, at, email) = (parts.next()?, parts.next()?, parts.next()?);
    let at: i64 = at.parse().ok()?;
    let ended = Ended {
        why: Why::parse(why),
        email: String::from_utf8(keys::decode(email)?).ok()?,
        at,
    };
    (now.abs_diff(at) <= TOLD_FOR.unsigned_abs()).then_some(ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_told_for_a_while() {
        let (hour, week) = (60 * 60, 7 * 24 * 60 * 60);
        for (why, most) in [
            (Some(Why::Idle), week),
            (Some(Why::Age), week),
            (Some(Why::Elsewhere), hour),
            (Some(Why::Operator), hour),
            (Some(Why::Copied), hour),
            (Some(Why::NoCustomer), hour),
            (None, hour),
        ] {
            let ended = Ended {
                email: "ada@example.com".to_owned(),
                why,
                at: 1000,
            };
            for (later, is_told) in [(0, true), (most - 1, true), (most, false)] {
                let told = told(ended.clone(), 1000 + later);
                assert_eq!(told.email.is_empty(), !is_told, "{why:?} {later}");
                assert_eq!(told.why, why);
            }
        }
    }

    #[test]
    fn what_is_told_is_ours_and_new() {
        let keys = Keys::new("a test secret of more than 32 bytes", []);
        for why in [Some(Why::Idle), Some(Why::Copied), None] {
            let email = "ada@example.com".to_owned();
            let ended = Ended {
                email,
                why,
                at: 1000,
            };
            let value = seal(&keys, &ended, 1000).unwrap();
            assert_eq!(open(&keys, &value, 1000), Some(ended.clone()));
            assert_eq!(open(&keys, &value, 1300), Some(ended));
            assert_eq!(open(&keys, &value, 1301), None);
            for place in 0..value.len() {
                let mut planted = value.clone().into_bytes();
                planted[place] = if planted[place] == b'a' { b'b' } else { b'a' };
                let planted = String::from_utf8(planted).unwrap();
                assert_eq!(open(&keys, &planted, 1000), None, "{planted}");
            }
        }
        for planted in ["", ".", "...", "idle.1000.YQ.", "idle.1000.YQ", "x"] {
            assert_eq!(open(&keys, planted, 1000), None, "{planted}");
        }
        let here = Ended {
            email: "ada@example.com".to_owned(),
            why: Some(Why::Here),
            at: 1000,
        };
        assert_eq!(seal(&keys, &here, 1000), None);
    }
}
