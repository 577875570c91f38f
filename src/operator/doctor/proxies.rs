//! Checks whether requests came through a reverse proxy that is not trusted, as recorded by the server.

use futures::FutureExt;

use super::Finding;
use crate::{clock::Clock, config::Around, domain::proxies, store::Store};

const CHECK: &str = "proxies";
const NEEDED: [&str; 2] = ["DATABASE_URL", "TRUSTED_PROXIES"];

/// Empty if the database cannot be read: another check reports that.
pub async fn examine(around: &Around, clock: &Clock) -> Vec<Finding> {
    let Some(config) = around.with(&NEEDED) else {
        return Vec::new();
    };
    let Ok(store) = Store::open(config.database_url.expose()).await else {
        return Vec::new();
    };
    let now = clock.now();
    let met = store.read(move |tx| async move { proxies::met(tx, now).await }.boxed());
    let met = met.await;
    store.close().await;
    let Ok(mut met) = met else {
        return Vec::new();
    };
    met.retain(|proxy| {
        !config
            .trusted_proxies
            .iter()
            .any(|network| network.contains(proxy))
    });
    if met.is_empty() {
        let says = "no visitor came through one that TRUSTED_PROXIES does not name";
        return vec![Finding::ok(CHECK, says)];
    }
    let told = |proxy| {
        Finding::warning(
            CHECK,
            format!(
                "Requests came through {proxy}, which TRUSTED_PROXIES does not name: all its visitors count as one client, and share its limits."
            ),
            format!(
                "If {proxy} is your reverse proxy, add it to TRUSTED_PROXIES, or its network, and start the server again. If it is \
                 nothing of yours, somebody sends such headers himself, and nothing is to be done."
            ),
        )
    };
    met.into_iter().map(told).collect()
}
