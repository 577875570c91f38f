//! The audit log: who did what, and when. The transaction that performs an action also writes its entry. If an action has no
//! transaction, [`note`] writes the entry in the background.
//!
//! The log holds no complete e-mail address. Each entry has the address's HMAC, by which the entries of a known address are found,
//! and a masked form for people to read.

use futures::FutureExt;

use super::{
    App, email,
    keys::{Keys, Purpose},
};
use crate::store::{self, Principal, audit::Entry};

/// The action that an entry records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A visitor requested a sign-in link.
    Asked,
    SignedIn,
    /// A visitor typed a wrong code.
    CodeFailed,
    /// A link was opened in another browser than the one that requested it.
    LinkFailed,
    /// A rotated refresh token was used again (token reuse): somebody holds a copy.
    Reuse,
    SignedOut,
    PortalOpened,
    PortalRefused,
    /// Stripe refused the API key.
    KeyRefused,
    /// The operator erased everything about an address.
    Erased,
    /// The operator ran a command that changes something, or shows data that is otherwise masked.
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

/// An entry about a normalised address.
pub fn entry(keys: &Keys, now: i64, what: What, address: &str) -> Entry {
    Entry {
        at: now,
        what: what.name().to_owned(),
        who: Some(who(keys, address)),
        shown: Some(email::mask(address)),
        ..Entry::default()
    }
}

/// An entry about an action of a signed-in visitor, in a request from `client`.
pub fn of(app: &App, principal: &Principal, what: What, client: &str) -> Entry {
    entry(&app.keys, app.clock.now(), what, principal.email())
        .with_session(principal.session())
        .with_client(client)
}

/// An entry about a command that the operator ran.
pub fn operator(now: i64, act: &str) -> Entry {
    Entry {
        at: now,
        what: What::Operator.name().to_owned(),
        detail: Some(act.to_owned()),
        ..Entry::default()
    }
}

/// The HMAC by which the log names an address. A plain hash would let a reader of the log test guessed addresses.
pub fn who(keys: &Keys, address: &str) -> String {
    hex::encode(&keys.mac(Purpose::Audit, address)[..16])
}

impl Entry {
    /// Sets where the request came from: an IP address or a network, or nothing if it is not known.
    pub fn with_client(self, client: &str) -> Entry {
        Entry {
            client: (!client.is_empty()).then(|| client.to_owned()),
            ..self
        }
    }

    /// Sets the session.
    pub fn with_session(self, id: &str) -> Entry {
        Entry {
            session: Some(id.to_owned()),
            ..self
        }
    }

    /// Sets the detail: an id, or a few words of this program.
    pub fn about(self, detail: &str) -> Entry {
        Entry {
            detail: Some(detail.to_owned()),
            ..self
        }
    }

    /// Makes the entry idempotent: only the first one of its kind with this id is written. For actions that a visitor can repeat at
    /// will: the log is never truncated, so repeated entries would fill the disk.
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

/// Writes an entry in a background task. The request neither waits for it nor fails with it.
pub fn note(app: &App, entry: Entry) {
    let app = app.clone();
    tokio::spawn(async move {
        let what = entry.what.clone();
        if let Err(error) = write(&app, entry).await {
            tracing::error!(%error, what, "an entry of the audit log could not be written");
        }
    });
}
