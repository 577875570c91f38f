//! The server's keys. HKDF derives one key for each purpose from `SESSION_SECRET` (domain separation), so that a value made for one purpose
//! is invalid for another. Key rotation: values made with a secret in `SESSION_SECRET_PREVIOUS` are still accepted, but new ones are made
//! with `SESSION_SECRET` only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::jwt;

/// The purpose of a key.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Signs access tokens.
    Access,
    /// Derives refresh tokens from session and generation.
    Refresh,
    /// Derives the token of a sign-in link from the sign-in's id.
    Link,
    /// Derives the code of a sign-in from its id.
    Code,
    /// Hashes codes for the database.
    CodeHash,
    /// Derives the value that marks the browser that sends a form from the form's ticket.
    Browser,
    /// Hashes addresses for the names of rate limits in the database.
    Allowance,
    /// Signs the cookie of a known device: a browser that signed in with an address before.
    Device,
    /// Hashes addresses for the audit log.
    Audit,
    /// Names a session on a page.
    Handle,
    /// Authenticates our own statement of why a session ended.
    Ended,
}

/// The server's current and previous secrets. `Debug` redacts them.
#[derive(Clone)]
pub struct Keys {
    present: Secret,
    previous: Vec<Secret>,
}

#[derive(Clone)]
struct Secret {
    hkdf: Hkdf<Sha256>,
    /// Derived once, since nearly every request needs it. Its id tells secrets apart, and reveals nothing about them.
    access: jwt::Key,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys([redacted])")
    }
}

impl Keys {
    pub fn new<'a>(session_secret: &str, previous: impl IntoIterator<Item = &'a str>) -> Keys {
        Keys {
            present: Secret::new(session_secret),
            previous: previous.into_iter().map(Secret::new).collect(),
        }
    }

    /// The 256-bit key of one purpose (HKDF, RFC 5869).
    pub fn key(&self, purpose: Purpose) -> [u8; 32] {
        self.present.key(purpose)
    }

    /// The key that signs access tokens.
    pub fn signing_key(&self) -> &jwt::Key {
        &self.present.access
    }

    /// The keys whose access tokens are accepted.
    pub fn access_keys(&self) -> impl Iterator<Item = &jwt::Key> {
        self.secrets().map(|secret| &secret.access)
    }

    /// HMAC-SHA256 of `message`, by the current secret.
    pub fn mac(&self, purpose: Purpose, message: &str) -> [u8; 32] {
        self.present.mac(purpose, message)
    }

    /// Whether `tag` is the MAC of `message` by any secret. Compares in constant time.
    pub fn verify(&self, purpose: Purpose, message: &str, tag: &[u8]) -> bool {
        self.secrets().any(|secret| {
            let hmac = secret.hmac(purpose, message);
            hmac.verify_slice(tag).is_ok()
        })
    }

    /// Each secret as [`Keys`] of its own, the current one first: to find values that were made with any of them.
    pub fn each(&self) -> impl Iterator<Item = Keys> + '_ {
        self.secrets().map(|secret| Keys {
            present: secret.clone(),
            previous: Vec::new(),
        })
    }

    fn secrets(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&self.present).chain(&self.previous)
    }
}

impl Secret {
    fn new(text: &str) -> Secret {
        let hkdf = Hkdf::new(None, text.as_bytes());
        let id = hex::encode(&expand(&hkdf, b"billhook key id")[..4]);
        let access = jwt::Key::new(&id, expand(&hkdf, ACCESS));
        Secret { hkdf, access }
    }

    fn key(&self, purpose: Purpose) -> [u8; 32] {
        let label: &[u8] = match purpose {
            Purpose::Access => ACCESS,
            Purpose::Refresh => b"billhook refresh token",
            Purpose::Link => b"billhook sign-in link",
            Purpose::Code => b"billhook sign-in code",
            Purpose::CodeHash => b"billhook sign-in code hash",
            Purpose::Browser => b"billhook asking browser",
            Purpose::Allowance => b"billhook allowance of an address",
            Purpose::Device => b"billhook device",
            Purpose::Audit => b"billhook audit log",
            Purpose::Handle => b"billhook session handle",
            Purpose::Ended => b"billhook end of a session",
        };
        expand(&self.hkdf, label)
    }

    fn mac(&self, purpose: Purpose, message: &str) -> [u8; 32] {
        self.hmac(purpose, message).finalize().into_bytes().into()
    }

    fn hmac(&self, purpose: Purpose, message: &str) -> Hmac<Sha256> {
        let mut mac = hmac_sha256(&self.key(purpose));
        mac.update(message.as_bytes());
        mac
    }
}

const ACCESS: &[u8] = b"billhook access token";

fn expand(hkdf: &Hkdf<Sha256>, label: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    // HKDF can expand up to 8,160 bytes, and this is 32: this branch is never reached.
    if hkdf.expand(label, &mut key).is_err() {
        key = Sha256::digest(label).into();
    }
    key
}

/// An HMAC with a key of any length.
pub fn hmac_sha256(key: &[u8]) -> Hmac<Sha256> {
    // HMAC accepts keys of any length (RFC 2104, 2): the other branch is never reached.
    <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&Default::default()))
}

/// SHA-256 in hex: the form in which the database stores tokens. They have 256 random bits, so no salt or slow hash is needed.
pub fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Encodes bytes in base64url without padding, which is safe in URLs and cookies.
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
