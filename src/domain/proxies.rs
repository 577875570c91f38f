//! Detects reverse proxies that `TRUSTED_PROXIES` does not name. Their `X-Forwarded-For` is not trusted, so all their visitors
//! count as one client and share one rate limit. The log warns about it. `billhook doctor` warns too: it is another process,
//! so this module stores the proxy's address in the database.

use std::net::IpAddr;

use futures::FutureExt;

use super::App;
use crate::{
    log_throttle::LogThrottle,
    store::{self, Tx, progress},
};

/// Seconds between two log lines, and between two writes to the database.
const SAY_EVERY: i64 = 600;
/// Seconds after which `billhook doctor` no longer reports a proxy.
const NEWS: i64 = 7 * 24 * 60 * 60;

/// The kind of network that the proxy is in. Any client on the internet can forge `X-Forwarded-For`; an address of a private
/// network is most likely a real proxy. The two kinds are therefore counted separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Near,
    Far,
}

impl Place {
    const ALL: [Place; 2] = [Place::Near, Place::Far];

    fn of(address: IpAddr) -> Place {
        let is_near = match address {
            IpAddr::V4(it) => {
                let [first, second, ..] = it.octets();
                // Also shared address space of carriers and clouds (carrier-grade NAT, RFC 6598).
                let is_shared = first == 100 && (64..128).contains(&second);
                it.is_loopback() || it.is_private() || it.is_link_local() || is_shared
            }
            IpAddr::V6(it) => {
                it.is_loopback() || it.is_unique_local() || it.is_unicast_link_local()
            }
        };
        if is_near { Place::Near } else { Place::Far }
    }

    fn name(self) -> &'static str {
        match self {
            Place::Near => "unknown proxy, near",
            Place::Far => "unknown proxy, far",
        }
    }
}

/// Whether an address belongs to a loopback, private, link-local or shared network.
pub fn is_near(address: IpAddr) -> bool {
    Place::of(address) == Place::Near
}

/// The unknown proxies seen since the server started.
#[derive(Debug)]
pub struct Unknown {
    near: LogThrottle,
    far: LogThrottle,
}

impl Default for Unknown {
    fn default() -> Unknown {
        Unknown {
            near: LogThrottle::new(SAY_EVERY),
            far: LogThrottle::new(SAY_EVERY),
        }
    }
}

impl Unknown {
    /// Counts a request that came through an unknown proxy. At most once per `SAY_EVERY` seconds and network kind it logs a
    /// warning and stores the address, in a background task that does not delay the request.
    pub fn met(&self, app: &App, proxy: IpAddr) {
        let place = Place::of(proxy);
        let seldom = match place {
            Place::Near => &self.near,
            Place::Far => &self.far,
        };
        let now = app.clock.now();
        let Some(count) = seldom.count(now) else {
            return;
        };
        tracing::warn!(
            %proxy,
            count,
            "requests came with X-Forwarded-For or the like from an address that TRUSTED_PROXIES does not name, so all its visitors count as one client: if it is your reverse proxy, add it there"
        );
        let store = app.store.clone();
        tokio::spawn(async move {
            let write = store.write(move |tx| {
                async move { progress::set(tx, place.name(), &proxy.to_string(), now).await }
                    .boxed()
            });
            if let Err(error) = write.await {
                tracing::warn!(%error, "the address of the proxy could not be written down");
            }
        });
    }
}

/// The last unknown proxy of each network kind.
pub async fn met(tx: &mut Tx, now: i64) -> store::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for place in Place::ALL {
        let value = progress::get_since(tx, place.name(), now - NEWS).await?;
        found.extend(value.and_then(|text| text.parse::<IpAddr>().ok()));
    }
    Ok(found)
}
