//! A stand-in for Stripe, for development and tests: an HTTP server that shares no code with
//! Billhook. It keeps its state in memory, speaks Stripe's form encoding and error bodies, shows
//! hosted pages, and delivers signed webhooks. It listens on loopback only and refuses live keys.
//!
//! Modules use those to the right of them, never the other way round: `router` → `pages`, `routes` →
//! `objects` → `state` → `shapes` → `wire`. Within `objects`, what pays and begins builds on what is
//! stored: `purchase` → `checkout` → `subscription_start`, `renewal` → `invoices` → `billing` →
//! `subscriptions`, `customers` → `events` → `deliveries`.

mod delivery;
mod objects;
mod pages;
mod router;
mod routes;
mod seed;
mod shapes;
mod state;
mod storage;
mod wire;

use std::{
    future::{Future, IntoFuture},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::serve::ListenerExt;
use tokio::{
    net::TcpListener,
    sync::{mpsc::unbounded_channel, oneshot, watch},
    task::JoinSet,
};

use self::{
    router::router,
    state::{App, Shared, Target},
};

/// How long requests under way may take to end once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub struct Options {
    /// Begin with the example customers, unless a state file exists.
    pub seed: bool,
    /// Where to keep the state across restarts.
    pub state_file: Option<PathBuf>,
    /// Addresses that get every event, each with the secret to sign with.
    pub webhooks: Vec<(String, String)>,
    /// How long every API call takes at least.
    pub delay: Duration,
    /// The shop's name on the portal page.
    pub business_name: String,
    /// Where Billhook is, if the start page is to lead there.
    pub shop_url: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: false,
            state_file: None,
            webhooks: Vec::new(),
            delay: Duration::ZERO,
            business_name: "Northwind".to_owned(),
            shop_url: None,
        }
    }
}

/// Serves until `stop` resolves. Refuses a listener that others than this machine can reach.
pub async fn serve(
    listener: TcpListener,
    options: Options,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        let message = format!(
            "the stand-in for Stripe listens on loopback addresses only, such as 127.0.0.1, \
             and not on {address}"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let stored = options
        .state_file
        .as_deref()
        .map(storage::load)
        .transpose()?
        .flatten();
    let fresh = stored.is_none();
    let mut state = stored.unwrap_or_default();
    let (outgoing, deliveries) = unbounded_channel();
    state.targets = options
        .webhooks
        .into_iter()
        .map(|(url, secret)| Target { url, secret })
        .collect();
    state.outgoing = Some(outgoing);
    state.delay = options.delay;
    state.base_url = format!("http://{address}");
    state.resume();
    if fresh && options.seed {
        seed::fill(&mut state, wire::clock::now());
    }
    let (stopping, stopped) = watch::channel(false);
    let app: Shared = Arc::new(App::new(
        state,
        options.business_name,
        options.shop_url,
        delivery::client()?,
        stopped,
    ));

    // Dropped on return, which ends the deliveries under way.
    let mut beside = JoinSet::new();
    beside.spawn(delivery::run(app.clone(), deliveries));
    let saver = options.state_file.map(|file| {
        let (close, closing) = oneshot::channel();
        (
            close,
            tokio::spawn(storage::keep(app.clone(), file, closing)),
        )
    });
    let stop = async move {
        stop.await;
        // The receiver lives in the app, which outlives this.
        let _ = stopping.send(true);
    };
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "answers of this connection may be slow");
        }
    });
    let server = axum::serve(listener, router(app.clone()))
        .with_graceful_shutdown(stop)
        .into_future();
    let out_of_patience = async {
        app.stopped().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = server => served?,
        () = out_of_patience => {}
    }
    if let Some((close, saver)) = saver {
        drop(close);
        saver.await.map_err(io::Error::other)??;
    }
    Ok(())
}
