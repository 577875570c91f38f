//! The audit log: who did what, and when. Entries are made here and written in the transaction that
//! does what they tell of; where there is none, [`note`] writes them beside the request.
//!
//! No e-mail address is in it whole. The HMAC finds all entries of an address that is known; the masked
//! address is for reading.

use futures::FutureExt;

use super::{
    App, email,
    keys::{Keys, Purpose},
};
use crate::store::{self, Principal, audit::Entry};

/// What an entry tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A link was asked for.
    Asked,
    SignedIn,
    /// A wrong code was typed.
    CodeFailed,
    /// A link was tried in another browser than the one that asked.
    LinkFailed,
    /// A refresh token came again that had been used: somebody holds a copy.
    Reuse,
    SignedOut,
    PortalOpened,
    PortalRefused,
    /// Stripe refused the key.
    KeyRefused,
    /// Everything about an address was erased, by the operator.
    Erased,
    /// A command that changes something, or shows what is masked otherwise.
    Operator,
}

impl What {
    pub const ALL: [What; 11] = [
        What::Asked,
        What::SignedIn,
        What::CodeFailed,
        What::LinkFailed,
        What::Reuse,
        What::SignedOut,
        What::PortalOpened,
        What::PortalRefused,
        What::KeyRefused,
        What::Erased,
        What::Operator,
    ];

    pub fn name(self) -> &'static str {
        match self {
            What::Asked => "asked",
            What::SignedIn => "signed-in",
            What::CodeFailed => "code-failed",
            What::LinkFailed => "link-failed",
            What::Reuse => "reuse",
            What::SignedOut => "signed-out",
            What::PortalOpened => "portal-opened",
            What::PortalRefused => "portal-refused",
            What::KeyRefused => "key-refused",
            What::Erased => "erased",
            What::Operator => "operator",
        }
    }
}

/// An entry about an address, which is normalised.
pub fn entry(keys: &Keys, now: i64, what: What, address: &str) -> Entry {
    Entry {
        at: now,
        what: what.name().to_owned(),
        who: Some(who(keys, address)),
        shown: Some(email::mask(address)),
        ..Entry::default()
    }
}

/// An entry about what somebody does who is signed in, in a request from there.
pub fn of(app: &App, principal: &Principal, what: What, client: &str) -> Entry {
    entry(&app.keys, app.clock.now(), what, principal.email())
        .with_session(principal.session())
        .with_client(client)
}

/// An entry about a command of the operator.
pub fn operator(now: i64, act: &str) -> Entry {
    Entry {
        at: now,
        what: What::Operator.name().to_owned(),
        detail: Some(act.to_owned()),
        ..Entry::default()
    }
}

/// How an address is found in the log: an HMAC, so that the log does not tell whether a guessed
/// address is in it.
pub fn who(keys: &Keys, address: &str) -> String {
    hex::encode(&keys.mac(Purpose::Audit, address)[..16])
}

impl Entry {
    /// Of a request from there: an address or a network, or nothing where it is not known.
    pub fn with_client(self, client: &str) -> Entry {
        Entry {
            client: (!client.is_empty()).then(|| client.to_owned()),
            ..self
        }
    }

    /// Of this session.
    pub fn with_session(self, id: &str) -> Entry {
        Entry {
            session: Some(id.to_owned()),
            ..self
        }
    }

    /// About this: an id, or a few words of ours.
    pub fn about(self, detail: &str) -> Entry {
        Entry {
            detail: Some(detail.to_owned()),
            ..self
        }
    }

    /// Written only the first time for its kind and this id. For what can be repeated at will: the
    /// log never shrinks, so nobody may fill the disk with it.
    pub fn once_for(self, id: &str) -> Entry {
        Entry {
            once: Some(format!("{} {id}", self.what)),
            ..self
        }
    }
}

/// Writes an entry in a transaction of its own.
pub async fn write(app: &App, entry: Entry) -> store::Result<()> {
    app.store
        .write(move |tx| async move { store::audit::insert(tx, &entry).await }.boxed())
        .await
}

/// Writes an entry beside the request, which neither waits for it nor fails with it.
pub fn note(app: &App, entry: Entry) {
    let app = app.clone();
    tokio::spawn(async move {
        let what = entry.what.clone();
        if let Err(error) = write(&app, entry).await {
            tracing::error!(%error, what, "an entry of the audit log could not be written");
        }
    });
}
