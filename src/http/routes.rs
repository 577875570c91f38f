//! The table of routes. Each row has the client type (audience), the authentication it needs (access), its rate limit (limit), the
//! body limit, the timeout (deadline) and the handler. The router, its layers and the test of access read this table; no other
//! place lists paths. To add a route, add its row here and its row in `tests/integration/matrix.rs`.

use std::{sync::Arc, sync::LazyLock, time::Duration};

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    routing::{MethodRouter, any, get, post},
};
use leptos::{prelude::*, server_fn::ServerFn};

use super::{link, live, problem, ready, version, webhook};
use crate::{
    api,
    model::LIVE,
    pages::{
        billing::Billing, check::Check, confirm::Confirm, devices::Devices, email_form::EmailForm,
    },
    timeouts,
};

/// The type of client. It decides which layers a request passes, and the format of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Pages and forms, with cookies. Errors are pages.
    Browser,
    /// Probes and webhooks. Errors are `application/problem+json` (RFC 9457).
    Machine,
    /// The seller's own programs, below `/api/v1/`: JSON in and out, no cookies. Errors as for machines.
    Program,
}

/// The authentication that a request needs before its handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    /// A valid session. An expired access token is renewed, and the session counts as used.
    Session,
    /// A valid session, observed only: nothing is renewed, and the session does not count as used.
    Watch,
    /// A `Stripe-Signature` over the body. The handler verifies it while it reads the body.
    Signature,
}

/// The rate limit of the client that a request counts against (see [`crate::domain::limits`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    None,
    /// Asking for a mail.
    Ask,
    /// Trying a code or a link.
    Try,
}

/// The kind of handler.
#[derive(Clone, Debug)]
pub enum Handler {
    /// A page, rendered completely before its first byte is sent, so that the status and cookies are final. Our own redirects may
    /// target it.
    Page(fn() -> AnyView),
    /// A server function of [`crate::api`].
    Function,
    Other(Box<MethodRouter<super::Site>>),
}

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub audience: Audience,
    pub access: Access,
    pub limit: Limit,
    /// Maximum size of the request's body in bytes.
    pub body_limit: usize,
    /// Timeout from the request's head to the response's head.
    pub deadline: Duration,
    pub handler: Handler,
}

/// Body limit of forms in bytes; ours are smaller.
const FORM: usize = 16 * 1024;
/// Body limit of webhooks in bytes. Most events have a few kB. Metadata may have 50 values of 500 characters, on an object and on each
/// that it contains. If the text is not ASCII, each character takes up to 12 bytes of JSON escapes: together about 1 MB.
const EVENT: usize = 2 * 1024 * 1024;
/// Default timeout. Most waits of a page or form end sooner by timeouts of their own; a body that drips in (slowloris) does not.
pub const USUAL: Duration = Duration::from_secs(15);
static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    use Access::{Public, Session, Signature, Watch};
    use Audience::{Machine, Program};
    vec![
        page("/", Public, || view! { <EmailForm/> }.into_any()),
        page("/sign-in/check", Public, || view! { <Check/> }.into_any()),
        page("/sign-in/confirm", Public, || {
            view! { <Confirm/> }.into_any()
        }),
        page("/billing", Session, || view! { <Billing/> }.into_any()),
        page("/devices", Session, || view! { <Devices/> }.into_any()),
        browser("/sign-in/link", Public, get(link::open)),
        browser(LIVE, Watch, get(live::stream)),
        form::<api::AskLink>(Public).limited(Limit::Ask),
        form::<api::EnterCode>(Public).limited(Limit::Try),
        form::<api::ConfirmLink>(Public).limited(Limit::Try),
        // Public, since signing out is idempotent: a second time is not an error.
        form::<api::SignOut>(Public),
        form::<api::EndSession>(Session),
        form::<api::SignOutEverywhere>(Session),
        form::<api::Customers>(Session),
        form::<api::OpenPortal>(Session).within(timeouts::REQUEST),
        form::<api::PayInvoice>(Session).within(timeouts::REQUEST),
        route(Method::GET, "/up", Machine, Public, get(|| async { "up" })),
        route(Method::GET, "/ready", Machine, Public, get(ready::ready)),
        route(
            Method::POST,
            "/webhooks/stripe",
            Machine,
            Signature,
            post(webhook::receive),
        )
        .up_to(EVENT),
        route(
            Method::GET,
            "/api/v1/version",
            Program,
            Public,
            get(version::version),
        ),
        // Programs get JSON instead of a page for 404.
        route(
            Method::GET,
            "/api/v1/{*rest}",
            Program,
            Public,
            any(problem::not_found),
        ),
    ]
});

/// Every row of `billhook serve`.
pub fn all() -> &'static [Route] {
    &ROUTES
}

fn route(
    method: Method,
    path: &'static str,
    audience: Audience,
    access: Access,
    handler: MethodRouter<super::Site>,
) -> Route {
    Route {
        method,
        path,
        audience,
        access,
        limit: Limit::None,
        body_limit: FORM,
        deadline: USUAL,
        handler: Handler::Other(Box::new(handler)),
    }
}

/// A GET route for browsers.
pub fn browser(path: &'static str, access: Access, handler: MethodRouter<super::Site>) -> Route {
    route(Method::GET, path, Audience::Browser, access, handler)
}

fn page(path: &'static str, access: Access, view: fn() -> AnyView) -> Route {
    Route {
        handler: Handler::Page(view),
        ..browser(path, access, MethodRouter::new())
    }
}

fn form<F: ServerFn>(access: Access) -> Route {
    Route {
        method: Method::POST,
        handler: Handler::Function,
        ..browser(F::PATH, access, MethodRouter::new())
    }
}

impl Route {
    fn limited(self, limit: Limit) -> Route {
        Route { limit, ..self }
    }

    fn within(self, deadline: Duration) -> Route {
        Route { deadline, ..self }
    }

    fn up_to(self, body_limit: usize) -> Route {
        Route { body_limit, ..self }
    }
}

/// The paths of pages.
pub fn pages(routes: &[Arc<Route>]) -> Vec<&'static str> {
    let pages = routes
        .iter()
        .filter(|route| matches!(route.handler, Handler::Page(_)));
    pages.map(|route| route.path).collect()
}

/// Puts the matching row into the request's extensions, for the layers and the handler.
pub fn mark(routes: &[Arc<Route>], mut request: Request) -> Request {
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        return request;
    };
    let method = match *request.method() {
        Method::HEAD => &Method::GET,
        ref method => method,
    };
    let of_path = || routes.iter().filter(|route| route.path == path.as_str());
    // A wrong method gets 405 behind the same guard.
    let found = of_path().find(|route| route.method == *method);
    if let Some(route) = found.or_else(|| of_path().next()).cloned() {
        request.extensions_mut().insert(route);
    }
    request
}

/// The request's row; `None` for a file or an unknown path.
pub fn of(request: &Request) -> Option<&Route> {
    request
        .extensions()
        .get::<Arc<Route>>()
        .map(|route| &**route)
}
