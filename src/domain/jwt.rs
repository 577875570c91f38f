//! JSON Web Tokens (JWT), signed with HS256 only. The jsonwebtoken crate parses and validates them. This module provides its cryptography
//! from the hmac and sha2 crates, so that the program contains no RSA and no elliptic curves.

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

/// The clock skew between processes that is tolerated, in seconds.
pub const LEEWAY: i64 = 5;
/// The `typ` header (RFC 9068, 2.1). It prevents that another kind of JWT is accepted as an access token (token confusion).
const TYPE: &str = "at+jwt";
/// Tokens with more bytes are rejected. Ours are much shorter.
const LONGEST: usize = 2048;

/// A signing key and its key id (`kid`).
#[derive(Clone)]
pub struct Key {
    id: String,
    bytes: [u8; 32],
    /// The header of the tokens that it signs, in base64url.
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

/// Signs `claims`. Returns the token, or an empty string if that fails; [`decode`] rejects an empty string.
pub fn encode(claims: &impl Serialize, key: &Key) -> String {
    install();
    let secret = EncodingKey::from_secret(&key.bytes);
    jsonwebtoken::encode(&header(&key.id), claims, &secret).unwrap_or_default()
}

/// Returns the claims of `token`, if its signature, algorithm, type, issuer and audience are valid and it has an expiry. The caller, who
/// has the clock, checks whether the token has expired.
///
/// Nothing in the header is trusted. It must be byte for byte the header that we write for one of the keys, or the token is rejected
/// before it is parsed. This prevents algorithm confusion.
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
    // An error means that it is already installed.
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
