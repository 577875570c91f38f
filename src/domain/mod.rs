//! What Billhook does, apart from how it is asked: signing in, sessions, the list, the portal, and
//! keeping the mirror true. One file each. [`App`] is what they all work with.

pub mod account_status;
mod address_search;
pub mod ask_status;
pub mod audit;
pub mod billing;
pub mod browser;
pub mod budget;
pub mod caller;
pub mod cards;
pub mod changes;
pub mod code_guessing;
pub mod decoy;
pub mod delivery;
pub mod devices;
pub mod disk_space;
pub mod email;
pub mod erase;
pub mod erase_again;
pub mod expiry;
pub mod import;
pub mod inbox;
pub mod jwt;
pub mod keys;
pub mod known_device;
pub mod limits;
pub mod mail_limit;
pub mod mirror;
pub mod missing_objects;
pub mod mode;
pub mod money;
mod order;
pub mod outbox;
pub mod price;
pub mod proxies;
pub mod purge;
pub mod refetch;
mod renewal;
pub mod renormalise;
pub mod session;
pub mod sign_in;
mod sign_in_retry;
pub mod sign_out_notice;
pub mod sweep;
pub mod sync;
mod tie;
pub mod unsent;
pub mod worker;

use std::sync::Arc;

use tokio::sync::Notify;

use crate::{clock::Clock, config::Config, mail::Mailer, store::Store, stripe};

/// Everything that a request or a worker may need. Clones are cheap and share it all.
#[derive(Clone, Debug)]
pub struct App {
    pub config: Arc<Config>,
    pub clock: Clock,
    pub keys: keys::Keys,
    pub store: Store,
    pub stripe: stripe::Client,
    pub mailer: Mailer,
    pub inbox: inbox::Inbox,
    pub changes: changes::Changes,
    /// What the key may not read, as far as it was tried.
    pub permissions: worker::Permissions,
    /// How often each client may ask and try.
    pub clients: limits::Clients,
    /// How many mails may leave.
    pub mail_limit: mail_limit::MailLimit,
    /// Portal sessions that a session may still open.
    pub portal_budget: budget::Budget<String>,
    /// Why mails were not sent: kept in `billhook dev` alone.
    pub unsent: unsent::Unsent,
    /// Wakes the worker that sends mail.
    pub outbox_due: Arc<Notify>,
}
