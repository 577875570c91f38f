//! The device cookie, which proves that a browser signed in with an address before (OWASP calls it a device cookie, too). It does not
//! authenticate anyone. Requests of known devices have a rate limit of their own, which strangers cannot exhaust (denial of service).
//!
//! The cookie expires after [`LIFETIME`]. To sign out everywhere revokes all device cookies of the address.

use futures::FutureExt;

use super::{
    App,
    email::Email,
    keys::{self, Keys, Purpose},
    limits,
};
use crate::{
    clock,
    store::{self, Tx},
};

/// The lifetime of a device cookie in seconds.
pub const LIFETIME: i64 = 180 * 24 * 60 * 60;

/// The cookie's value for a browser that signed in as `email` at `made_at`, with the [`mark`] of that time. Deterministic: one sign-in
/// always gives the same value.
pub fn new(keys: &Keys, email: &str, sign_in: &str, made_at: i64, mark: Option<&str>) -> String {
    let id = keys::encode(&keys.mac(Purpose::Device, sign_in));
    let body = format!("{id}.{made_at}.{}", mark.unwrap_or_default());
    let tag = keys.mac(Purpose::Device, &signed(&body, email));
    format!("{body}.{}", keys::encode(&tag))
}

/// Returns the hash of the device, if the cookie's value is valid for this address, has not expired and is not revoked. Queries the
/// database for every value, so that the response time reveals nothing (timing side channel).
pub async fn of(app: &App, email: &Email, value: Option<&str>) -> store::Result<Option<String>> {
    let (keys, address) = (app.keys.clone(), email.as_str().to_owned());
    let mark = app
        .store
        .read(move |tx| async move { mark(tx, &keys, &address).await }.boxed())
        .await?;
    let device = value.and_then(|value| read(app, email, value));
    // If no mark is kept, the last revocation is older than the lifetime of a device cookie.
    let device = device.filter(|device| mark.is_none_or(|mark| mark == device.mark));
    Ok(device.map(|device| device.hash))
}

/// The mark of the address's last revocation. Only device cookies that carry it are valid.
pub async fn mark(tx: &mut Tx, keys: &Keys, email: &str) -> store::Result<Option<String>> {
    let names = limits::device_names(keys, email);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    store::device::mark(tx, &names).await
}

/// Revokes all device cookies of an address. The caller must hold the lock of the address.
pub async fn end_all(tx: &mut Tx, keys: &Keys, email: &str, now: i64) -> store::Result<()> {
    let mark = clock::new_id("end");
    match limits::device_names(keys, email).first() {
        Some(name) => store::device::end(tx, name, &mark, now).await,
        None => Ok(()),
    }
}

struct Device {
    hash: String,
    mark: String,
}

fn read(app: &App, email: &Email, value: &str) -> Option<Device> {
    let (body, tag) = value.rsplit_once('.')?;
    let mut parts = body.split('.');
    let (id, made_at, mark) = (parts.next()?, parts.next()?, parts.next()?);
    let made_at: i64 = made_at.parse().ok()?;
    let is_whole = parts.next().is_none();
    let is_over = made_at.saturating_add(LIFETIME) <= app.clock.now();
    let is_ours = is_whole
        && !is_over
        && app.keys.verify(
            Purpose::Device,
            &signed(body, email.as_str()),
            &keys::decode(tag)?,
        );
    is_ours.then(|| Device {
        hash: keys::sha256_hex(id),
        mark: mark.to_owned(),
    })
}

fn signed(body: &str, email: &str) -> String {
    format!("{body}\n{email}")
}
