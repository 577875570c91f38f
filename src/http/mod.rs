//! The HTTP surface. The table of routes is in `routes`; this file builds the router and its layers (middleware). Handlers are in
//! `api`, `pages` and the files here.

pub mod accept;
pub mod body_budget;
pub mod client;
pub mod connection_activity;
pub mod connection_limit;
pub mod context_isolation;
pub mod deadline;
pub mod files;
pub mod form_errors;
pub mod guard;
pub mod headers;
pub mod host_check;
pub mod https_redirect;
pub mod limit;
pub mod link;
pub mod live;
pub mod machines;
pub mod problem;
pub mod ready;
pub mod routes;
pub mod same_site;
pub mod version;
pub mod webhook;
pub mod write_timeout;

use std::{ops::Deref, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{from_fn, from_fn_with_state},
    response::Response,
    routing::{get, post},
};
use leptos::prelude::*;
use ready::Readiness;
use routes::{Audience, Handler, Route};
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;
use tower_http::{
    CompressionLevel,
    catch_panic::{CatchPanicLayer, ResponseForPanic},
    compression::CompressionLayer,
};

use crate::{
    app::shell,
    clock,
    domain::{App, proxies},
    log_throttle::LogThrottle,
    pages::message::Message,
    redirects::Places,
};

/// Log lines per minute about failed requests that are our own fault: any client can repeat them while the fault lasts.
const MOST_FAULTS: u64 = 20;

/// The state for handlers and layers. Every layer clones it for every request, so clones share one `Arc`.
#[derive(Clone, Debug)]
pub struct Site(Arc<Parts>);

/// The content of a [`Site`].
#[derive(Debug)]
pub struct Parts {
    pub app: App,
    pub leptos: LeptosOptions,
    /// Cancelled when the server shuts down: open streams end then.
    pub stop: CancellationToken,
    pub readiness: Readiness,
    pub streams: live::Streams,
    pub bodies: body_budget::Bodies,
    pub refused: same_site::Refused,
    pub faults: LogThrottle,
    pub proxies: proxies::Unknown,
    /// Targets of forms besides our own pages, in the syntax of the Content-Security-Policy.
    pub portal_origins: String,
    pub routes: Vec<Arc<Route>>,
}

impl Site {
    /// Creates the state with every route of the table, and `extra` ones: those of `billhook dev`.
    pub fn new(
        app: App,
        leptos: LeptosOptions,
        stop: CancellationToken,
        extra: Vec<Route>,
    ) -> Site {
        let portal_origins = app.stripe.portal_origins().join(" ");
        let routes = routes::all().iter().cloned().chain(extra).map(Arc::new);
        Site(Arc::new(Parts {
            app,
            leptos,
            stop,
            readiness: Readiness::default(),
            streams: live::Streams::default(),
            bodies: body_budget::Bodies::default(),
            refused: same_site::Refused::default(),
            faults: LogThrottle::few(MOST_FAULTS, 60),
            proxies: proxies::Unknown::default(),
            portal_origins,
            routes: routes.collect(),
        }))
    }
}

impl Deref for Site {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Builds the router: every route behind the layers of its audience. In a `ServiceBuilder`, the first layer is the outermost.
pub fn router(site: Site) -> Router {
    // Server functions and pages spawn tasks through it. An error means that it was set before.
    let _ = any_spawner::Executor::init_tokio();
    Router::new()
        .merge(without_cookies(&site, Audience::Program))
        .merge(without_cookies(&site, Audience::Machine))
        .merge(for_browsers(&site))
        .with_state(site)
}

/// The table's rows for one audience.
fn rows(site: &Site, audience: Audience) -> Router<Site> {
    let rows = site.routes.iter().filter(|row| row.audience == audience);
    rows.fold(Router::new(), |router, row| {
        let handler = match &row.handler {
            Handler::Page(view) => {
                let (options, view) = (site.leptos.clone(), *view);
                get(leptos_axum::render_app_async_with_context(
                    context(site),
                    move || shell(options.clone(), view),
                ))
            }
            Handler::Function => {
                let context = context(site);
                post(move |request: Request<Body>| async move {
                    leptos_axum::handle_server_fns_with_context(context, request).await
                })
            }
            Handler::Other(handler) => (**handler).clone(),
        };
        router.route(row.path, handler)
    })
}

/// Provides the Leptos context for pages and server functions.
fn context(site: &Site) -> impl Fn() + Clone + Send + Sync + 'static {
    let site = site.clone();
    let places = Places::new(routes::pages(&site.routes));
    move || {
        provide_context(site.app.clone());
        provide_context(places.clone());
        headers::provide_nonce();
    }
}

fn for_browsers(site: &Site) -> Router<Site> {
    let pages = rows(site, Audience::Browser)
        // The guard covers only routes that exist; all other paths are public files or 404.
        .route_layer(from_fn_with_state(site.clone(), guard::layer))
        .route_layer(from_fn_with_state(site.clone(), limit::layer))
        .fallback(files::serve)
        .layer(from_fn(context_isolation::layer))
        .layer(from_fn_with_state(site.clone(), deadline::layer))
        .layer(from_fn_with_state(site.clone(), client::layer))
        .layer(from_fn_with_state(site.clone(), form_errors::layer))
        .layer(from_fn_with_state(site.clone(), same_site::layer))
        .layer(CompressionLayer::new().quality(CompressionLevel::Default));
    // Combined into one layer, since axum boxes each layer for every request.
    pages.layer(
        ServiceBuilder::new()
            .map_request(marking(site))
            .layer(from_fn_with_state(site.clone(), headers::layer))
            .layer(from_fn_with_state(site.clone(), host_check::layer))
            .layer(from_fn_with_state(site.clone(), https_redirect::layer))
            .layer(from_fn_with_state(site.clone(), body_budget::of_pages))
            .layer(catch_panic(site, Audience::Browser)),
    )
}

/// Machines and programs have no cookies, so no other site can make them send requests (CSRF). There is no host check either: probes
/// connect by IP address, and a webhook's signature proves more than a `Host` header that proxies may rewrite.
fn without_cookies(site: &Site, audience: Audience) -> Router<Site> {
    let is_https = site.app.config.is_https();
    rows(site, audience)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(
            ServiceBuilder::new()
                .map_request(marking(site))
                .map_response(move |response| headers::for_machines(response, is_https))
                .layer(from_fn_with_state(site.clone(), body_budget::of_machines))
                .layer(catch_panic(site, audience))
                .layer(from_fn_with_state(site.clone(), deadline::layer))
                .layer(from_fn(machines::layer)),
        )
}

fn marking(site: &Site) -> impl Fn(Request) -> Request + Clone + use<> {
    let site = site.clone();
    move |request| routes::mark(&site.routes, request)
}

fn catch_panic(
    site: &Site,
    audience: Audience,
) -> CatchPanicLayer<impl ResponseForPanic<ResponseBody = Body> + use<>> {
    let site = site.clone();
    CatchPanicLayer::custom(move |_| -> Response {
        let id = clock::new_id("err");
        if let Some(count) = site.faults.count(site.app.clock.now()) {
            tracing::error!(id, count, "a handler broke; the caller was told this id");
        }
        problem::answer(&site.app.config, audience, Message::Broken(id))
    })
}
