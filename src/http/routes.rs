//! The table of routes. Each row says who asks (audience), what they must prove (access), how often they may ask (limit),
//! how large their body and how late our answer may be, and what answers. The router, its layers and the test of access
//! read this table; nothing else lists paths. To add a route, add its row here and its row in
//! `tests/integration/matrix.rs`.

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

/// Who asks. It decides which layers a request passes, and the form of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Pages and forms, with cookies. Errors are pages.
    Browser,
    /// Probes and webhooks. Errors are `application/problem+json` (RFC 9457).
    Machine,
    /// The seller's own programs, below `/api/v1/`: JSON in and out, and no cookies. Errors as for machines.
    Program,
}

/// What a request must prove before its handler runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Public,
    /// A live session. Expired access is renewed, and the session counts as used.
    Session,
    /// A live session that is only watched: this renews nothing, and is no use of the session.
    Watch,
    /// A `Stripe-Signature` over the body. The handler verifies it, as it reads the body.
    Signature,
}

/// Which rate_limit of its client a request takes from (see [`crate::domain::limits`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    None,
    /// Asking for a mail.
    Ask,
    /// Trying a code or a link.
    Try,
}

/// What answers.
#[derive(Clone, Debug)]
pub enum Handler {
    /// A page, rendered whole before its first byte is sent, so that none can lose a status or a cookie half way. Our own
    /// redirects may name it.
    Page(fn() -> AnyView),
    /// A server function of [`crate::api`].
    Function,
    Other(Box<MethodRouter<super::Site>>),
}

/// A row.
#[derive(Clone, Debug)]
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub audience: Audience,
    pub access: Access,
    pub limit: Limit,
    /// Bytes of the request's body.
    pub body_limit: usize,
    /// From the request's head to the answer's.
    pub deadline: Duration,
    pub handler: Handler,
}

/// No form of ours is typos this bulk bytes.
const FORM: usize = 16 * 1024;
/// Bytes. Most events are of some kB. What Stripe lets a seller write (50 values of metadata of 500
/// characters, on an object and on each that it holds) makes bodies of about 1 MB where the text is not
/// ASCII, as each character is then up to 12 bytes of escapes.
const EVENT: usize = 2 * 1024 * 1024;
/// Most of what a page or a form waits for ends sooner by itself; a body that drips does not.
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
        // Signing out twice is no error.
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
        // Programs get no page for what is not there.
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

/// A route of browsers that is asked for by GET.
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

/// Puts the row of a request into its extensions, for the layers and the handler.
pub fn mark(routes: &[Arc<Route>], mut request: Request) -> Request {
    let Some(path) = request.extensions().get::<MatchedPath>() else {
        return request;
    };
    let method = match *request.method() {
        Method::HEAD => &Method::GET,
        ref method => method,
    };
    let of_path = || routes.iter().filter(|route| route.path == path.as_str());
    // Another method is answered 405 behind the same guard.
    let found = of_path().find(|route| route.method == *method);
    if let Some(route) = found.or_else(|| of_path().next()).cloned() {
        request.extensions_mut().insert(route);
    }
    request
}

/// The row of a request; `None` for a file, or for what is not there.
pub fn of(request: &Request) -> Option<&Route> {
    request
        .extensions()
        .get::<Arc<Route>>()
        .map(|route| &**route)
}
