//! JSON Web Tokens, HS256 and nothing else. The jsonwebtoken crate reads and checks them; its
//! cryptography is plugged in here from hmac and sha2, which leaves RSA and elliptic curves out of
//! the program.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::Sha256;
use signature::{Signer, Verifier};

/// Seconds that clocks of several processes may differ.
pub const LEEWAY: i64 = 5;
/// RFC 9068, 2.1: says what the token is, so that no other JWT passes for it.
const TYPE: &str = "at+jwt";
/// No token of ours has near this many bytes.
const LONGEST: usize = 2048;

/// A key, and the name by which tokens say that it signed them.
#[derive(Clone)]
pub struct Key {
    id: String,
    bytes: [u8; 32],
    /// The header of its tokens, as it stands in them.
    head: String,
}

impl Key {
    pub fn new(id: &str, bytes: [u8; 32]) -> Key {
        let json = serde_json::to_vec(&header(id)).unwrap_or_default();
        Key {
            id: id.to_owned(),
            bytes,
            head: URL_SAFE_NO_PAD.encode(json),
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

static HS256: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(key.as_bytes().to_vec()))),
        _ => Err(Error::from(ErrorKind::InvalidAlgorithm)),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(key.try_get_as_bytes()?.to_vec()))),
        _ => Err(Error::from(ErrorKind::InvalidAlgorithm)),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// The token of `claims`, or an empty text, which no check lets through, if it cannot be made.
pub fn encode(claims: &impl Serialize, key: &Key) -> String {
    install();
    let secret = EncodingKey::from_secret(&key.bytes);
    jsonwebtoken::encode(&header(&key.id), claims, &secret).unwrap_or_default()
}

/// The claims of `token`, if signature, algorithm, type, issuer and audience are right and it has
/// an expiry. Whether that has passed is for the caller, who has the clock.
///
/// Nothing of a header is obeyed or even read: it is the one that we write, to the letter, for one of
/// the keys, or the token is none of ours.
pub fn decode<'k, C: DeserializeOwned + Clone>(
    token: &str,
    keys: impl IntoIterator<Item = &'k Key>,
    issuer: &str,
    audience: &str,
) -> Option<C> {
    install();
    let (head, _) = token.split_once('.').filter(|_| token.len() <= LONGEST)?;
    let key = keys.into_iter().find(|key| key.head == head)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_exp = false;
    let secret = DecodingKey::from_secret(&key.bytes);
    let token = jsonwebtoken::decode(token, &secret, &validation).ok()?;
    Some(token.claims)
}

fn header(id: &str) -> Header {
    Header {
        typ: Some(TYPE.to_owned()),
        kid: Some(id.to_owned()),
        ..Header::new(Algorithm::HS256)
    }
}

fn install() {
    // An error says that it was installed before.
    let _ = HS256.install_default();
}

struct Hs256(Vec<u8>);

impl Hs256 {
    fn mac(&self, message: &[u8]) -> Result<Hmac<Sha256>, signature::Error> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0)
            .map_err(signature::Error::from_source)?;
        mac.update(message);
        Ok(mac)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.mac(message)?.finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        self.mac(message)?
            .verify_slice(signature)
            .map_err(signature::Error::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
