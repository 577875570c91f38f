//! Reverse proxies that `TRUSTED_PROXIES` does not name: what they say about their clients is not believed, so
//! that all of their visitors are one client and share its limits. The log says so, and `billhook doctor`, which
//! is another process and learns of it from the database.

use std::net::IpAddr;

use futures::FutureExt;

use super::App;
use crate::{
    log_throttle::LogThrottle,
    store::{self, Tx, progress},
};

/// Seconds between two lines and two rows.
const SAY_EVERY: i64 = 600;
/// Seconds after which what was met is no news any more.
const NEWS: i64 = 7 * 24 * 60 * 60;

/// Where such a proxy is. Anybody on the internet can send what a proxy sends, so those of an own network,
/// which are more than likely to be one, are counted apart.
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
                // And the addresses that carriers and clouds share (RFC 6598).
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

/// Whether an address is of a network of one's own.
pub fn is_near(address: IpAddr) -> bool {
    Place::of(address) == Place::Near
}

/// What was met since the server started.
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
    /// Counts a request that came through such a proxy. Now and then it is logged and written down, beside the
    /// request.
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

/// The last ones met, of each place.
pub async fn met(tx: &mut Tx, now: i64) -> store::Result<Vec<IpAddr>> {
    let mut found = Vec::new();
    for place in Place::ALL {
        let value = progress::get_since(tx, place.name(), now - NEWS).await?;
        found.extend(value.and_then(|text| text.parse::<IpAddr>().ok()));
    }
    Ok(found)
}
