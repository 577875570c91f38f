//! The shell around every page and the table of routes. To add a page: a file in `pages/`, a line
//! here, and, if strangers may see it, a line in `http::guard::PUBLIC`.

use leptos::prelude::*;
use leptos_meta::{MetaTags, provide_meta_context};
use leptos_router::{
    SsrMode, StaticSegment,
    components::{Route, Router, Routes},
};

use crate::{
    assets,
    pages::{
        billing::Billing, check::Check, confirm::Confirm, devices::Devices, email_form::EmailForm,
        not_found::NotFound,
    },
};

/// The document around a page.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="robots" content="noindex"/>
                <meta name="color-scheme" content="light dark"/>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <link rel="stylesheet" href=assets::url("/pkg/billhook.css")/>
                <AutoReload options/>
                <MetaTags/>
            </head>
            <body>
                <App/>
            </body>
        </html>
    }
}

/// Every page. All are rendered whole before the first byte is sent, so that none can lose a
/// status or a cookie half way.
#[component]
fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <Routes fallback=NotFound>
                <Route path=StaticSegment("") view=EmailForm ssr=SsrMode::Async/>
                <Route path=(StaticSegment("sign-in"), StaticSegment("check")) view=Check ssr=SsrMode::Async/>
                <Route path=(StaticSegment("sign-in"), StaticSegment("confirm")) view=Confirm ssr=SsrMode::Async/>
                <Route path=StaticSegment("billing") view=Billing ssr=SsrMode::Async/>
                <Route path=StaticSegment("devices") view=Devices ssr=SsrMode::Async/>
            </Routes>
        </Router>
    }
}
