//! The cookie by which a browser is known to have signed in with an address before. It signs nobody in: what it
//! asks for is taken from an allowance that strangers cannot use up.
//!
//! It ends by itself, and with all others of its address when that is signed out everywhere.

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

/// Seconds from when it is made to its end.
pub const LIFETIME: i64 = 180 * 24 * 60 * 60;

/// The value for a browser that signed in as `email` at `made_at`, with the [`mark`] of then. Of one sign-in it
/// is the same each time.
pub fn new(keys: &Keys, email: &str, sign_in: &str, made_at: i64, mark: Option<&str>) -> String {
    let id = keys::encode(&keys.mac(Purpose::Device, sign_in));
    let body = format!("{id}.{made_at}.{}", mark.unwrap_or_default());
    let tag = keys.mac(Purpose::Device, &signed(&body, email));
    format!("{body}.{}", keys::encode(&tag))
}

/// The hash of the device, if the value is one that signed in as this address and has not ended. The database
/// is asked whatever the value is, so that the time taken tells nothing.
pub async fn of(app: &App, email: &Email, value: Option<&str>) -> store::Result<Option<String>> {
    let (keys, address) = (app.keys.clone(), email.as_str().to_owned());
    let mark = app
        .store
        .read(move |tx| async move { mark(tx, &keys, &address).await }.boxed())
        .await?;
    let device = value.and_then(|value| read(app, email, value));
    // Where no end is kept, the last one was longer ago than a device lives.
    let device = device.filter(|device| mark.is_none_or(|mark| mark == device.mark));
    Ok(device.map(|device| device.hash))
}

/// What the devices of an address carry that were made since their last end.
pub async fn mark(tx: &mut Tx, keys: &Keys, email: &str) -> store::Result<Option<String>> {
    let names = limits::device_names(keys, email);
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    store::device::mark(tx, &names).await
}

/// Ends the devices of an address. The caller has locked it.
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
