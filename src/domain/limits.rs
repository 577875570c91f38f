//! The rate limits of sign-in: how often a mail may be requested, and a code or link tried. Limits that must survive a restart are in the
//! database (by address, by known device, and for all mails together). Limits by client are in memory.

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
/// The rate limit of mails to one address that unknown browsers request: a burst of three, then one per hour.
const OF_ADDRESS: Rate = Rate {
    burst: 3,
    pause: 60 * MINUTE,
};
/// The rate limit of mails to one address that all its known devices request together. It is needed since each mail allows five more
/// guesses at a code. Requests of strangers do not count.
const OF_DEVICES: Rate = Rate {
    burst: 3,
    pause: 10 * MINUTE,
};
/// The rate limit in `billhook dev`, where one developer signs in many times and no customer needs protection.
const OF_TRIAL: Rate = Rate {
    burst: 60,
    pause: MINUTE,
};

/// The client of a request, by which the rate limits count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Client {
    V4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address: one household usually has the whole /64 network.
    V6([u16; 4]),
    /// All clients whose IP address is not known.
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

/// The rate limit that applies to a request for a mail.
pub struct Allowance {
    pub name: String,
    pub rate: Rate,
    /// Its names by the previous secrets, so that requests from before a key rotation still count.
    pub earlier: Vec<String>,
    /// The hash of the known device that makes the request, if one does.
    pub device: Option<String>,
}

shows!(Allowance: rate);

/// The rate limit of a request: if `device` is the hash of a known device, the one that all known devices of the address share; otherwise
/// that of strangers.
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

/// The names of an address's rate limits, by the current and the previous secrets. They contain an HMAC instead of the address.
pub fn address_names(keys: &Keys, email: &str) -> Vec<String> {
    let kinds = [STRANGERS, DEVICES].into_iter();
    kinds.flat_map(|kind| names(keys, kind, email)).collect()
}

/// The names of the rate limit that an address's known devices share, that by the current secret first.
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

/// The rate limit of mails to one address that strangers request.
pub fn of_address(app: &App) -> Rate {
    if app.config.dev { OF_TRIAL } else { OF_ADDRESS }
}

/// The rate limits by client, in memory. A restart resets them, which grants about a minute's budget.
#[derive(Clone, Debug)]
pub struct Clients(Arc<Limiters>);

#[derive(Debug)]
struct Limiters {
    /// Requests for a mail: a burst of five, then one per minute.
    asking: Budget<Client>,
    /// Requests for a mail from all unknown clients together, and in a flood from all clients beyond the capacity of `asking`: one per
    /// minute.
    asking_unknown: Budget<()>,
    /// Attempts to use a code or a link.
    trying: Budget<Client>,
    /// Throttles the log line about requests from unknown clients.
    unknown: LogThrottle,
    /// Throttle the log lines about codes that were refused unread, since the rate limit of all clients or of one was reached.
    refused_codes: LogThrottle,
    codes_of_client: LogThrottle,
}

/// Seconds between two log lines about the same thing.
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

    /// Takes one request for a mail from the client's rate limit. If that is reached, the error is the seconds to wait.
    pub fn may_ask(&self, client: Client) -> Result<(), u64> {
        let asking = &self.0.asking;
        match client {
            Client::Unknown => self.0.asking_unknown.spend(&()),
            known if asking.has_room_for(&known) => asking.spend(&known),
            _ => self.0.asking_unknown.spend(&()),
        }
    }

    /// Counts a request from an unknown client. Returns the count since the last log line, if the next one is due.
    pub fn count_unknown(&self, now: i64) -> Option<u64> {
        self.0.unknown.count(now)
    }

    /// The same for codes that were refused by the global rate limit of wrong codes.
    pub fn count_refused_codes(&self, now: i64) -> Option<u64> {
        self.0.refused_codes.count(now)
    }

    /// The same for codes that were refused by the rate limit of one client.
    pub fn count_codes_of_client(&self, now: i64) -> Option<u64> {
        self.0.codes_of_client.count(now)
    }

    /// Takes one attempt to use a code or a link from the client's rate limit. If that is reached, the error is the seconds to wait.
    pub fn may_try(&self, client: Client) -> Result<(), u64> {
        self.0.trying.spend(&client)
    }
}
