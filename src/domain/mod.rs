//! The domain logic of Billhook, independent of HTTP: sign-in, sessions, the list of customer records, the portal, and synchronising the
//! mirror with Stripe. One file each. All of them share [`App`].

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

/// The application state that requests and background workers share. Clones are cheap.
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
    /// The kinds of objects that the API key was found not to be allowed to read.
    pub permissions: worker::Permissions,
    /// The rate limits by client.
    pub clients: limits::Clients,
    /// The global rate limit of mails.
    pub mail_limit: mail_limit::MailLimit,
    /// The rate limit of portal sessions by session.
    pub portal_budget: budget::Budget<String>,
    /// Why mails were not sent. Filled in `billhook dev` only.
    pub unsent: unsent::Unsent,
    /// Wakes the worker that sends mail.
    pub outbox_due: Arc<Notify>,
}
