//! The page for addresses that lead nowhere, and for things that are somebody else's.

use leptos::prelude::*;

use super::frame::Frame;

#[component]
pub fn NotFound() -> impl IntoView {
    view! {
        <Frame title="No such page">
            <NothingHere/>
        </Frame>
    }
}

/// The text alone.
#[component]
pub fn NothingHere() -> impl IntoView {
    view! {
        <h1>"There is no such page"</h1>
        <p class="lede">"The address may be mistyped, or the page may have gone."</p>
        <a class="button primary" href="/">"Go to your billing"</a>
    }
}
