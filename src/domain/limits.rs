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
    keys::{self, Keys, Purpose},
};
use crate::{
    clock::{self, Clock},
    mask::shows,
    seldom::Seldom,
    store::allowance::Rate,
};

const MINUTE: i64 = 60 * 1000;
/// Mails to one address that nobody known asks for: three, and then one an hour.
const OF_ADDRESS: Rate = Rate {
    burst: 3,
    pause: 60 * MINUTE,
};
/// Mails that a browser asks for with an address that it signed in with before. They are its own:
/// what strangers ask for does not count.
const OF_DEVICE: Rate = Rate {
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
    /// The hash of the device, if this is a device's.
    pub device: Option<String>,
}

shows!(Allowance: rate);

/// Whose allowance it is: the device's, if its cookie is of this address, else the address's.
pub fn allowance(app: &App, email: &Email, device: Option<&str>) -> Allowance {
    let usual = |rate| if app.config.dev { OF_TRIAL } else { rate };
    match device.and_then(|value| read_device(app, email, value)) {
        Some(device) => Allowance {
            name: format!("device:{device}"),
            rate: usual(OF_DEVICE),
            earlier: Vec::new(),
            device: Some(device),
        },
        None => {
            let mut names = address_names(&app.keys, email.as_str()).into_iter();
            Allowance {
                name: names.next().unwrap_or_default(),
                rate: usual(OF_ADDRESS),
                earlier: names.collect(),
                device: None,
            }
        }
    }
}

/// The names that an address's allowance may have, without the address: by the present secret and by
/// those before it.
pub fn address_names(keys: &Keys, email: &str) -> Vec<String> {
    let name = |keys: Keys| {
        let mac = keys.mac(Purpose::Allowance, email);
        format!("address:{}", hex::encode(mac))
    };
    keys.each().map(name).collect()
}

/// A new value of the cookie by which a browser is known to have signed in as `email`.
pub fn new_device(app: &App, email: &str) -> String {
    let id = clock::random_token();
    let mac = app.keys.mac(Purpose::Device, &format!("{id}\n{email}"));
    format!("{id}.{}", keys::encode(&mac))
}

/// The hash of a device, if it is one and signed in as this address.
fn read_device(app: &App, email: &Email, value: &str) -> Option<String> {
    let (id, mac) = value.split_once('.')?;
    let of = format!("{id}\n{}", email.as_str());
    app.keys
        .verify(Purpose::Device, &of, &keys::decode(mac)?)
        .then(|| keys::sha256_hex(id))
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
    unknown: Seldom,
    /// Codes that were refused unread.
    refused_codes: Seldom,
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
            unknown: Seldom::new(TELL_EVERY),
            refused_codes: Seldom::new(TELL_EVERY),
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

    /// Whether the client may try a code or a link now, or how many seconds it has to wait.
    pub fn may_try(&self, client: Client) -> Result<(), u64> {
        self.0.trying.spend(&client)
    }
}
