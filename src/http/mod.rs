//! The HTTP surface: which routes there are and which layers a request passes on its way. What a route
//! does is in `api`, `pages` and the files here.

pub mod accept;
pub mod apart;
pub mod bodies;
pub mod client;
pub mod deadline;
pub mod door;
pub mod files;
pub mod form_answers;
pub mod guard;
pub mod headers;
pub mod limit;
pub mod link;
pub mod live;
pub mod patience;
pub mod places;
pub mod pulse;
pub mod ready;
pub mod same_site;
pub mod scheme;
pub mod webhook;

use std::{ops::Deref, sync::Arc};

use axum::{
    Router,
    extract::FromRef,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use leptos::prelude::*;
use leptos_axum::{LeptosRoutes, generate_route_list};
use ready::Readiness;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::{
    CompressionLevel, catch_panic::CatchPanicLayer, compression::CompressionLayer,
    limit::RequestBodyLimitLayer,
};

use crate::{
    app::shell,
    clock,
    domain::{App, proxies},
    model::LIVE,
    pages::message::{self, Message},
    seldom::Seldom,
};

/// No form of ours is near this many bytes.
const LARGEST_FORM: usize = 16 * 1024;

/// Log lines a minute about requests that failed for a fault of ours: anybody can repeat them while it lasts.
const MOST_FAULTS: u64 = 20;

/// What handlers can ask for. Every layer clones it for every request, so clones share one.
#[derive(Clone, Debug)]
pub struct Site(Arc<Parts>);

/// What is in a [`Site`].
#[derive(Debug)]
pub struct Parts {
    pub app: App,
    pub leptos: LeptosOptions,
    /// Cancelled when the server is to end: open streams end then.
    pub stop: CancellationToken,
    pub readiness: Readiness,
    pub streams: live::Streams,
    pub bodies: bodies::Bodies,
    pub refused: same_site::Refused,
    pub faults: Seldom,
    pub proxies: proxies::Unknown,
    /// Where forms may lead besides our own pages, as a Content-Security-Policy lists it.
    pub portal_origins: String,
}

impl Site {
    pub fn new(app: App, leptos: LeptosOptions, stop: CancellationToken) -> Site {
        let portal_origins = app.stripe.portal_origins().join(" ");
        Site(Arc::new(Parts {
            app,
            leptos,
            stop,
            readiness: Readiness::default(),
            streams: live::Streams::default(),
            bodies: bodies::Bodies::default(),
            refused: same_site::Refused::default(),
            faults: Seldom::few(MOST_FAULTS, 60),
            proxies: proxies::Unknown::default(),
            portal_origins,
        }))
    }
}

impl Deref for Site {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRef<Site> for LeptosOptions {
    fn from_ref(site: &Site) -> LeptosOptions {
        site.leptos.clone()
    }
}

/// Every route of the program, and `extra` ones behind the same layers.
pub fn router(site: Site, extra: Router<Site>) -> Router {
    let context = {
        let app = site.app.clone();
        move || {
            provide_context(app.clone());
            headers::provide_nonce();
        }
    };
    let options = site.leptos.clone();
    let pages = Router::<Site>::new()
        .leptos_routes_with_context(
            &site,
            generate_route_list({
                let options = options.clone();
                move || shell(options.clone())
            }),
            context,
            move || shell(options.clone()),
        )
        .route("/sign-in/link", get(link::open))
        .route(LIVE, get(live::stream))
        .merge(extra)
        // Only routes that exist are guarded; all else is a public file or a 404.
        .route_layer(from_fn_with_state(site.clone(), guard::layer))
        .route_layer(from_fn_with_state(site.clone(), limit::layer))
        .fallback(files::serve)
        .layer(from_fn(apart::layer))
        .layer(from_fn_with_state(site.clone(), deadline::layer))
        .layer(from_fn_with_state(site.clone(), client::layer))
        .layer(from_fn_with_state(site.clone(), form_answers::layer))
        .layer(from_fn_with_state(site.clone(), same_site::layer))
        .layer(RequestBodyLimitLayer::new(LARGEST_FORM))
        .layer(CompressionLayer::new().quality(CompressionLevel::Default));

    let broken = site.clone();
    let catch_panic = CatchPanicLayer::custom(move |_| {
        let id = clock::new_id("err");
        if let Some(count) = broken.faults.count(broken.app.clock.now()) {
            tracing::error!(id, count, "a handler broke; the visitor was told this id");
        }
        message::response(&broken.app.config, Message::Broken(id))
    });
    // The first is the outermost. One layer for axum, which boxes each for every request.
    let pages = pages.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(site.clone(), headers::layer))
            .layer(from_fn_with_state(site.clone(), door::layer))
            .layer(from_fn_with_state(site.clone(), scheme::layer))
            .layer(from_fn_with_state(site.clone(), bodies::of_pages))
            .layer(catch_panic.clone()),
    );
    // Probes ask by address, and a signature proves more than a name that proxies may rewrite: these are
    // of any host.
    let is_https = site.app.config.is_https();
    Router::new()
        .route("/up", get(|| async { "up" }))
        .route("/ready", get(ready::ready))
        .route("/webhooks/stripe", post(webhook::receive))
        .layer(
            ServiceBuilder::new()
                .map_response(move |response| headers::for_machines(response, is_https))
                .layer(from_fn_with_state(site.clone(), bodies::of_machines))
                .layer(catch_panic),
        )
        .merge(pages)
        .with_state(site)
}
