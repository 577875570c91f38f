//! Configuration from the environment, read once at startup and validated as a whole.

mod checks;
mod dotenv;
mod environment;
mod partial;
mod read;
mod reader;
mod secret;
mod settings;
mod typos;

use std::{net::SocketAddr, path::PathBuf};

use ipnet::IpNet;
use url::{Host, Url};

pub use environment::{
    Environment, Origin, environment, has_color, leptos_from_environment, log_filter, site_root,
};
pub use partial::{Around, read_around};
pub use read::read;
pub use secret::Secret;
pub use settings::{SETTINGS, Setting, Shown, shown, table};

/// The validated configuration.
#[derive(Clone, Debug)]
pub struct Config {
    pub bind: SocketAddr,
    /// Without a path; ends in a slash.
    pub frontend_url: Url,
    pub database_url: Secret,
    /// Where the list of erasures is kept, if not beside SQLite's file.
    pub erasures_file: Option<PathBuf>,
    pub stripe_api_key: Secret,
    pub stripe_webhook_secrets: Vec<Secret>,
    pub stripe_api_base: Url,
    pub session_secret: Secret,
    pub session_secrets_previous: Vec<Secret>,
    pub smtp_url: Secret,
    pub mail_from: lettre::message::Mailbox,
    /// The name in EHLO: a host name, or an IP address in brackets.
    pub ehlo_name: String,
    pub portal_hosts: Vec<String>,
    /// `bpc_…`
    pub portal_configuration: Option<String>,
    /// `acct_…`: the account of the key, if events name their account.
    pub stripe_account: Option<String>,
    /// Networks of the reverse proxies whose headers are trusted for the client address.
    pub trusted_proxies: Vec<IpNet>,
    /// `None`: the rate limit follows the number of customers.
    pub mails_per_hour: Option<i64>,
    pub app_name: String,
    pub event_retention_days: i64,
    /// Idle timeout: minutes without a request after which a session expires.
    pub session_idle_minutes: i64,
    /// Maximum age of a session in hours, even if it is active.
    pub session_hours: i64,
    /// `billhook dev`: mail is shown in the browser, and Stripe is the stand-in.
    pub dev: bool,
}

/// In `billhook dev` this address gets mail although no customer has it, to show the list without records.
pub const NOBODY: &str = "nobody@example.com";

impl Config {
    /// Whether the address is [`NOBODY`], in `billhook dev`.
    pub fn is_of_nobody(&self, email: &str) -> bool {
        self.dev && email == NOBODY
    }

    /// Whether cookies may have the Secure attribute: not on a plain loopback address.
    pub fn is_https(&self) -> bool {
        self.frontend_url.scheme() == "https"
    }

    /// The mode of the key: live or test.
    pub fn livemode(&self) -> bool {
        self.stripe_api_key.expose().contains("_live_")
    }

    /// Our own origin, as browsers send it (for CSRF checks).
    pub fn origin(&self) -> String {
        self.frontend_url.origin().ascii_serialization()
    }

    /// An absolute URL of ours. `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }
}

/// Whether a URL's host is a loopback address.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
