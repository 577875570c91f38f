//! The HTML document around every page. The table of pages is in `http::routes`.

use leptos::prelude::*;
use leptos_meta::{MetaTags, provide_meta_context};

use crate::assets;

/// Renders the HTML document around a page.
pub fn shell(options: LeptosOptions, page: fn() -> AnyView) -> impl IntoView {
    provide_meta_context();
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
                {page()}
            </body>
        </html>
    }
}
