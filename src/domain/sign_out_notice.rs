//! Tells a user on the next page why they were signed out. A cookie carries the notice, so no address appears in a URL. Only
//! the server can make the cookie's value (it has a MAC), so a forged or planted cookie shows nothing.

use super::keys::{self, Keys, Purpose};
use crate::store::session::{Ended, Why};

/// Seconds for which the notice is shown.
pub const TOLD_FOR: i64 = 5 * 60;

/// Seconds after an expiry (idle or age) in which the notice includes the address.
const ADDRESS_FOR: i64 = 7 * 24 * 60 * 60;
/// The same after a sign-out on request, or one for security reasons.
const ADDRESS_FOR_ORDERED: i64 = 60 * 60;

/// What to tell a client that shows a token of the session. A recent user could read the address in the session itself. A
/// client that finds an old token, on a lost or sold machine, is told only the reason.
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

/// The value of the cookie. `None` where there is nothing to tell: a user who signed out knows it, and leaves no address
/// behind.
pub fn seal(keys: &Keys, ended: &Ended, now: i64) -> Option<String> {
    if ended.why == Some(Why::Here) {
        return None;
    }
    let why = ended.why.map(Why::as_str).unwrap_or_default();
    let body = format!("{why}.{now}.{}", keys::encode(ended.email.as_bytes()));
    let tag = keys::encode(&keys.mac(Purpose::Ended, &body));
    Some(format!("{body}.{tag}"))
}

/// Reads the cookie. `None` if its MAC is wrong or it is too old.
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
