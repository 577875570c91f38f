//! How often sign-ins may be asked for and tried. What must outlive a restart is in the database
//! (by address, by device, and mails in all); what need not is in memory (by client).

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
};

use governor::Quota;

use super::{
    App,
    budget::Budget,
    email::Email,
    keys::{Keys, Purpose},
};
use crate::{clock::Clock, log_throttle::LogThrottle, mask::shows, store::rate_limit::Rate};

const MINUTE: i64 = 60 * 1000;
/// Mails to one address that nobody known asks for: three, and then one an hour.
const OF_ADDRESS: Rate = Rate {
    burst: 3,
    pause: 60 * MINUTE,
};
/// Mails to one address that the browsers ask for that signed in with it before, together: each mail is five more
/// guesses at a code. What strangers ask for does not count.
const OF_DEVICES: Rate = Rate {
    burst: 3,
    pause: 10 * MINUTE,
};
/// In `billhook dev` one person tries many times, and there is nobody to protect.
const OF_TRIAL: Rate = Rate {
    burst: 60,
    pause: MINUTE,
};

/// Where a request came from, as far as limits go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Client {
    V4(Ipv4Addr),
    /// The first 64 bits: a household has them all.
    V6([u16; 4]),
    /// Everybody whose address cannot be told.
    #[default]
    Unknown,
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Client::V4(address) => write!(f, "{address}"),
            Client::V6([a, b, c, d]) => {
                let network = Ipv6Addr::new(*a, *b, *c, *d, 0, 0, 0, 0);
                write!(f, "{network}/64")
            }
            Client::Unknown => Ok(()),
        }
    }
}

impl From<Ipv6Addr> for Client {
    fn from(address: Ipv6Addr) -> Client {
        match address.to_ipv4_mapped() {
            Some(address) => Client::V4(address),
            None => {
                let [a, b, c, d, ..] = address.segments();
                Client::V6([a, b, c, d])
            }
        }
    }
}

/// The allowance that a question for a mail is taken from.
pub struct Allowance {
    pub name: String,
    pub rate: Rate,
    /// Its names under the secrets before this one: what was taken then counts on.
    pub earlier: Vec<String>,
    /// The hash of the device that asks, if one does.
    pub device: Option<String>,
}

shows!(Allowance: rate);

/// Whose allowance it is: that of the address's known devices, which they share, if `device` is the hash of one;
/// else that of strangers.
pub fn allowance(app: &App, email: &Email, device: Option<String>) -> Allowance {
    let (kind, rate) = match device {
        Some(_) => (DEVICES, OF_DEVICES),
        None => (STRANGERS, OF_ADDRESS),
    };
    let mut names = names(&app.keys, kind, email.as_str());
    Allowance {
        name: names.next().unwrap_or_default(),
        rate: if app.config.dev { OF_TRIAL } else { rate },
        earlier: names.collect(),
        device,
    }
}

const STRANGERS: &str = "address";
const DEVICES: &str = "device";

/// The names that an address's allowances may have, without the address: by the present secret and by
/// those before it.
pub fn address_names(keys: &Keys, email: &str) -> Vec<String> {
    let kinds = [STRANGERS, DEVICES].into_iter();
    kinds.flat_map(|kind| names(keys, kind, email)).collect()
}

/// The names of what belongs to an address's known devices together, that by the present secret first.
pub fn device_names(keys: &Keys, email: &str) -> Vec<String> {
    names(keys, DEVICES, email).collect()
}

fn names<'k>(
    keys: &'k Keys,
    kind: &'k str,
    email: &'k str,
) -> impl Iterator<Item = String> + use<'k> {
    keys.each().map(move |keys| {
        let mac = keys.mac(Purpose::Allowance, email);
        format!("{kind}:{}", hex::encode(mac))
    })
}

/// Mails that strangers may ask for to one address.
pub fn of_address(app: &App) -> Rate {
    if app.config.dev { OF_TRIAL } else { OF_ADDRESS }
}

/// The limits by client. A restart forgives a minute.
#[derive(Clone, Debug)]
pub struct Clients(Arc<Limiters>);

#[derive(Debug)]
struct Limiters {
    /// Questions for a mail: five, and then one a minute.
    asking: Budget<Client>,
    /// The same of those who cannot be told apart, and in a flood of those for whom there is no room:
    /// one a minute.
    asking_unknown: Budget<()>,
    /// Codes and links that are tried.
    trying: Budget<Client>,
    /// Questions of those who cannot be told apart, for a line in the log.
    unknown: LogThrottle,
    /// Codes that were refused unread, for what all clients typed and for what one did.
    refused_codes: LogThrottle,
    codes_of_client: LogThrottle,
}

/// Seconds between two lines about the same.
const TELL_EVERY: i64 = 10 * 60;

const ONE: NonZeroU32 = NonZeroU32::MIN;
const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();
const THIRTY: NonZeroU32 = NonZeroU32::new(30).unwrap();

impl Clients {
    pub fn new(clock: &Clock) -> Clients {
        let asking = Quota::per_minute(ONE);
        Clients(Arc::new(Limiters {
            asking: Budget::new(asking.allow_burst(FIVE), clock.clone()),
            asking_unknown: Budget::new(asking, clock.clone()),
            trying: Budget::new(Quota::per_minute(THIRTY), clock.clone()),
            unknown: LogThrottle::new(TELL_EVERY),
            refused_codes: LogThrottle::new(TELL_EVERY),
            codes_of_client: LogThrottle::new(TELL_EVERY),
        }))
    }

    /// Whether the client may ask for a mail now, or how many seconds it has to wait.
    pub fn may_ask(&self, client: Client) -> Result<(), u64> {
        let asking = &self.0.asking;
        match client {
            Client::Unknown => self.0.asking_unknown.spend(&()),
            known if asking.has_room_for(&known) => asking.spend(&known),
            _ => self.0.asking_unknown.spend(&()),
        }
    }

    /// Counts a question of somebody who cannot be told from others. How many there were since it was last
    /// said, if it is time to say it again.
    pub fn count_unknown(&self, now: i64) -> Option<u64> {
        self.0.unknown.count(now)
    }

    /// The same of codes that were refused because too many were wrong.
    pub fn count_refused_codes(&self, now: i64) -> Option<u64> {
        self.0.refused_codes.count(now)
    }

    /// The same where one client's were wrong.
    pub fn count_codes_of_client(&self, now: i64) -> Option<u64> {
        self.0.codes_of_client.count(now)
    }

    /// Whether the client may try a code or a link now, or how many seconds it has to wait.
    pub fn may_try(&self, client: Client) -> Result<(), u64> {
        self.0.trying.spend(&client)
    }
}
