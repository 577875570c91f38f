//! Lists the browsers in which an address is signed in, and signs them out (ends their sessions).

use std::collections::BTreeSet;

use futures::FutureExt;

use super::{
    App,
    audit::{self, What},
    changes::Change,
    email::Email,
    keys::{Keys, Purpose},
    known_device, session,
};
use crate::store::{self, Principal, Tx};

/// A signed-in browser: one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Names the session on a page. It is derived from the session's id, which never leaves the server.
    pub handle: String,
    /// A description of the browser; empty if it is not known.
    pub browser: String,
    /// Whether the request comes from this browser.
    pub is_this: bool,
    /// Seconds since it signed in.
    pub age: i64,
    /// Seconds since it was last used, accurate to a minute.
    pub unused: i64,
}

/// Which session [`end_one`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The session that made the request.
    This,
    /// Another session, or none has that handle any more.
    Other,
}

/// The principal's own devices, this one first.
pub async fn list(app: &App, principal: &Principal) -> store::Result<Vec<Device>> {
    let now = app.clock.now();
    let mut devices: Vec<_> = sessions(app, principal)
        .await?
        .into_iter()
        .map(|row| Device {
            handle: handle(&app.keys, &row.id),
            is_this: row.id == principal.session(),
            age: (now - row.created_at).max(0),
            unused: (now - row.active_at).max(0),
            browser: row.browser,
        })
        .collect();
    devices.sort_by_key(|device| !device.is_this);
    Ok(devices)
}

/// Ends the session with this handle, if it is one of the principal's own.
pub async fn end_one(
    app: &App,
    principal: &Principal,
    wanted: &str,
    client: &str,
) -> store::Result<Ended> {
    let rows = sessions(app, principal).await?;
    let Some(row) = rows
        .into_iter()
        .find(|row| handle(&app.keys, &row.id) == wanted)
    else {
        return Ok(Ended::Other);
    };
    let is_this = row.id == principal.session();
    let entry = audit::of(app, principal, What::SignedOut, client);
    let (of, now) = (principal.clone(), app.clock.now());
    app.store
        .write(move |tx| {
            async move {
                if store::session::end_of(tx, &of, &row.id, now).await? {
                    store::audit::insert(tx, &entry.about(&row.id)).await?;
                }
                Ok(())
            }
            .boxed()
        })
        .await?;
    app.changes.tell(Change::Of(principal.email().to_owned()));
    Ok(if is_this { Ended::This } else { Ended::Other })
}

/// Ends every session of the principal's address, this one included, and revokes the cookies of its known devices.
pub async fn end_all(app: &App, principal: &Principal, client: &str) -> store::Result<()> {
    let (of, now) = (principal.clone(), app.clock.now());
    let keys = app.keys.clone();
    let entry = audit::of(app, principal, What::SignedOut, client).about("everywhere");
    app.store
        .write(move |tx| {
            async move {
                tx.lock(&[of.email()]).await?;
                store::session::end_all(tx, &of, now).await?;
                known_device::end_all(tx, &keys, of.email(), now).await?;
                store::audit::insert(tx, &entry).await
            }
            .boxed()
        })
        .await?;
    app.changes.tell(Change::Of(principal.email().to_owned()));
    Ok(())
}

/// For the operator: ends every session of an address and revokes the cookies of its known devices. Returns the number of sessions.
pub async fn end_of_address(app: &App, address: &Email) -> store::Result<u64> {
    let (of, now) = (address.as_str().to_owned(), app.clock.now());
    let keys = app.keys.clone();
    app.store
        .write(move |tx| {
            async move {
                tx.lock(&[&of]).await?;
                known_device::end_all(tx, &keys, &of, now).await?;
                store::session::end_of_address(tx, &of, now).await
            }
            .boxed()
        })
        .await
}

/// Ends the sessions of the addresses in `left` that have no customer any more, in the transaction that took the customer from them.
/// `left` is usually empty, and then nothing is locked.
pub async fn end_orphans(
    tx: &mut Tx,
    left: &BTreeSet<String>,
    livemode: bool,
    now: i64,
) -> store::Result<()> {
    let left: Vec<_> = left.iter().map(String::as_str).collect();
    if !left.is_empty() {
        // Serialises transactions that take an address's last customers: the second one sees what the first did.
        tx.lock(&left).await?;
    }
    store::session::end_orphans(tx, &left, livemode, now).await
}

async fn sessions(app: &App, principal: &Principal) -> store::Result<Vec<store::session::Session>> {
    let (of, limits) = (principal.clone(), session::limits(app, app.clock.now()));
    app.store
        .read(move |tx| async move { store::session::of(tx, &of, limits).await }.boxed())
        .await
}

fn handle(keys: &Keys, session: &str) -> String {
    hex::encode(&keys.mac(Purpose::Handle, session)[..8])
}
