//! The 404 page: for unknown URLs, and for things that belong to another customer.

use leptos::prelude::*;

#[component]
pub fn NothingHere() -> impl IntoView {
    view! {
        <h1>"There is no such page"</h1>
        <p class="lede">"The address may be mistyped, or the page may have gone."</p>
        <a class="button primary" href="/">"Go to your billing"</a>
    }
}
