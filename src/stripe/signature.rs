//! Verifies the `Stripe-Signature` header: `t=<unix>,v1=<hex>[,v1=<hex>…]`. The signed payload is `t`, a full stop
//! and the raw body; the algorithm is HMAC-SHA256 with the whole secret, `whsec_` included
//! (<https://docs.stripe.com/webhooks#verify-manually>).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Tolerance against replay: seconds that a signature may be older or newer than our clock. Stripe's libraries
/// accept any time in the future; we do not, as the Standard Webhooks specification asks.
pub const TOLERANCE: i64 = 300;
/// While a secret is rolled, Stripe sends two signatures. Many more would be a denial-of-service attack on the CPU.
const MOST_SIGNATURES: usize = 16;
const LONGEST_HEADER: usize = 4096;

/// Why a signature is rejected. For logs only; the sender gets no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the Stripe-Signature header is missing, double or malformed")]
    Malformed,
    #[error("the signature is older or newer than {TOLERANCE} seconds; is the clock right?")]
    OutsideTolerance,
    #[error("no signature fits a configured secret; is STRIPE_WEBHOOK_SECRET this endpoint's?")]
    NoMatch,
}

/// A parsed header with a timestamp within the tolerance. The signature itself is checked with the body, in
/// [`Claim::verify`].
#[derive(Debug)]
pub struct Claim<'h> {
    /// The signed text of the timestamp.
    timestamp: &'h str,
    signatures: Vec<[u8; 32]>,
}

impl Claim<'_> {
    /// Parses a header and checks that its timestamp is within the tolerance around `now`.
    pub fn read(header: &str, now: i64) -> Result<Claim<'_>, Refusal> {
        let (timestamp, signatures) = parse(header).ok_or(Refusal::Malformed)?;
        let seconds: i64 = timestamp.parse().map_err(|_| Refusal::Malformed)?;
        if now.abs_diff(seconds) > TOLERANCE.unsigned_abs() {
            return Err(Refusal::OutsideTolerance);
        }
        Ok(Claim {
            timestamp,
            signatures,
        })
    }

    /// Whether `body` was signed with one of `secrets`. Compares in constant time.
    pub fn verify(&self, body: &[u8], secrets: &[impl AsRef<str>]) -> Result<(), Refusal> {
        let fits = secrets.iter().any(|secret| {
            let mac = mac(secret.as_ref(), self.timestamp, body);
            self.signatures
                .iter()
                .any(|signature| mac.clone().verify_slice(signature).is_ok())
        });
        if fits { Ok(()) } else { Err(Refusal::NoMatch) }
    }
}

/// Whether `body` was signed with one of `secrets` within the tolerance around `now`.
pub fn verify(
    header: &str,
    body: &[u8],
    secrets: &[impl AsRef<str>],
    now: i64,
) -> Result<(), Refusal> {
    Claim::read(header, now)?.verify(body, secrets)
}

/// The signed text of the timestamp, and every v1 signature. Unknown schemes are ignored.
fn parse(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    if header.len() > LONGEST_HEADER {
        return None;
    }
    let mut timestamp = None;
    let mut signatures = Vec::new();
    for item in header.split(',') {
        match item.trim_start_matches(' ').split_once('=') {
            Some(("t", value)) if timestamp.is_none() && is_plain_number(value) => {
                timestamp = Some(value);
            }
            Some(("t", _)) => return None,
            Some(("v1", value)) => {
                let mut signature = [0; 32];
                if hex::decode_to_slice(value, &mut signature).is_ok() {
                    signatures.push(signature);
                }
            }
            _ => {}
        }
    }
    (!signatures.is_empty() && signatures.len() <= MOST_SIGNATURES)
        .then_some((timestamp?, signatures))
}

/// Decimal digits without sign or leading zeros, so that each number has only one spelling.
fn is_plain_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0')
}

fn mac(secret: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    // HMAC accepts keys of any length, so the fallback is never used.
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.as_bytes())
        .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&Default::default()));
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_test_billhook";
    const NOW: i64 = 1_800_000_000;
    const BODY: &[u8] = b"{\"id\": \"evt_1\"}\r\n";

    fn sign(secret: &str, time: i64, body: &[u8]) -> String {
        hex::encode(mac(secret, &time.to_string(), body).finalize().into_bytes())
    }

    fn check(header: &str) -> Result<(), Refusal> {
        verify(header, BODY, &[SECRET], NOW)
    }

    /// checklist 41
    #[test]
    fn checklist_41_what_is_accepted() {
        let good = sign(SECRET, NOW, BODY);
        let junk = "0".repeat(64);
        for header in [
            format!("t={NOW},v1={good}"),
            format!("t={NOW},v1={junk},v1={good}"),
            format!("t={NOW},v1={good},v1={junk}"),
            format!("t={NOW},v1=short,v1={good}"),
            format!("t={NOW},v0={junk},v1={good}"),
            format!("t={NOW},v1={good},v2=whatever,,x"),
            format!("v1={good},t={NOW}"),
            format!("t={NOW}, v1={good}"),
            format!("t={NOW},v1={}", good.to_uppercase()),
            format!("t={},v1={}", NOW - 300, sign(SECRET, NOW - 300, BODY)),
            format!("t={},v1={}", NOW + 300, sign(SECRET, NOW + 300, BODY)),
        ] {
            assert_eq!(check(&header), Ok(()), "{header}");
        }
    }

    /// checklist 41
    #[test]
    fn checklist_41_what_is_refused() {
        let good = sign(SECRET, NOW, BODY);
        let without_time = {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(BODY);
            hex::encode(mac.finalize().into_bytes())
        };
        let huge = format!("t={NOW},v1={good},x={}", "x".repeat(16 * 1024));
        let many = format!("t={NOW}{}", format!(",v1={good}").repeat(200));
        for header in [
            String::new(),
            format!("v1={good}"),
            format!("t=,v1={good}"),
            format!("t=abc,v1={good}"),
            format!("t=-1,v1={good}"),
            format!("t=+{NOW},v1={good}"),
            format!("t={NOW}.5,v1={good}"),
            format!("t=0{NOW},v1={good}"),
            format!("t=99999999999999999999,v1={good}"),
            format!("t={NOW},t={NOW},v1={good}"),
            format!("t={NOW}"),
            format!("t={NOW},v0={good}"),
            format!("t={NOW},v1="),
            format!("t={NOW},v1={}", &good[1..]),
            format!("t={NOW},v1={good}0"),
            format!("t={NOW},v1={good}{good}"),
            format!("t={NOW},v1={}", "z".repeat(64)),
            format!("t={NOW},v1={without_time}"),
            format!("t={NOW},v1={}", sign("test_billhook", NOW, BODY)),
            format!("t={NOW},v1={}", sign("whsec_test_other", NOW, BODY)),
            format!("t={NOW},v1={}", sign(SECRET, NOW, b"{\"id\":\"evt_1\"}")),
            format!("t={NOW},v1={}", sign(SECRET, NOW, b"")),
            format!("t={},v1={}", NOW - 301, sign(SECRET, NOW - 301, BODY)),
            format!("t={},v1={}", NOW + 301, sign(SECRET, NOW + 301, BODY)),
            huge,
            many,
        ] {
            assert!(check(&header).is_err(), "{header}");
        }
    }

    /// checklist 41
    #[test]
    fn checklist_41_every_secret_is_tried_and_the_body_may_be_any_bytes() {
        let body = b"\xef\xbb\xbf\xff\x00\r\n";
        for secret in ["whsec_test_old", "whsec_test_new"] {
            let header = format!("t={NOW},v1={}", sign(secret, NOW, body));
            assert_eq!(
                verify(&header, body, &["whsec_test_old", "whsec_test_new"], NOW),
                Ok(())
            );
            let mut changed = body.to_vec();
            changed[3] ^= 1;
            assert!(
                verify(
                    &header,
                    &changed,
                    &["whsec_test_old", "whsec_test_new"],
                    NOW
                )
                .is_err()
            );
        }
    }
}
