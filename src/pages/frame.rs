//! The common layout of every page: the shop's name, who is signed in, the footer.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::{answer, model::escape};

/// The layout around `children`. `title` is the text of the browser's tab before the shop's name.
#[component]
pub fn Frame(title: &'static str, children: Children) -> impl IntoView {
    let (app_name, dev) = answer::app()
        .map(|app| (app.config.app_name.clone(), app.config.dev))
        .unwrap_or_default();
    let address = answer::principal()
        .ok()
        .map(|principal| principal.email().to_owned());
    // leptos_meta does not escape titles.
    let tab = format!("{title} · {}", escape(&app_name));
    view! {
        <Title text=tab/>
        <Head app_name dev address/>
        <main>{children()}</main>
        <Foot/>
    }
}

/// The header.
#[component]
pub fn Head(app_name: String, dev: bool, address: Option<String>) -> impl IntoView {
    let mark: String = app_name.chars().take(1).collect();
    view! {
        <header class="top">
            {dev
                .then(|| {
                    view! {
                        <p class="test">
                            "Test mode: no money moves, and no mail leaves. "
                            <a href="/dev/mail">"Open the test mail"</a> " "
                            <a href="/dev/stripe">"Stand-in for Stripe"</a>
                        </p>
                    }
                })}
            <div class="bar">
                <p class="brand">
                    <span class="mark" aria-hidden="true">{mark}</span>
                    {app_name}
                </p>
                {address
                    .map(|address| {
                        view! {
                            <p class="who">{format!("Signed in as {address}")}</p>
                            <div class="own">
                                <a class="button quiet" href="/devices">"Devices"</a>
                                <form method="post" action="/api/sign_out">
                                    <button class="button quiet">"Sign out"</button>
                                </form>
                            </div>
                        }
                    })}
            </div>
        </header>
    }
}

/// The footer.
#[component]
pub fn Foot() -> impl IntoView {
    view! {
        <footer class="foot">
            <p>"Payments are handled by Stripe. Your card details never reach this page."</p>
        </footer>
    }
}
