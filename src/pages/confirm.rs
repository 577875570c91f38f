//! `/sign-in/confirm`: a link was opened. Showing this page uses nothing up; its button does.

use leptos::prelude::*;

use super::{frame::Frame, message::FaultOfOurs};
use crate::{
    answer,
    cookies::{self, Name},
    domain::sign_in::{self, Link},
    model::ApiError,
};

#[component]
pub fn Confirm() -> impl IntoView {
    view! {
        <Frame title="Sign in">
            <Suspense>{Suspend::new(async move {
                match look().await {
                    Ok(Link::Ready(masked)) => view! { <Ready masked/> }.into_any(),
                    // A second press of the button, or the mail opened again.
                    Ok(Link::Elsewhere(_) | Link::Spent) if answer::principal().is_ok() => {
                        answer::see_other("/billing");
                        ().into_any()
                    }
                    Ok(Link::Elsewhere(masked)) => view! { <OtherBrowser masked/> }.into_any(),
                    Ok(Link::Spent) => view! { <Spent/> }.into_any(),
                    Err(_) => view! { <FaultOfOurs retry="/sign-in/confirm"/> }.into_any(),
                }
            })}</Suspense>
        </Frame>
    }
}

async fn look() -> Result<Link, ApiError> {
    let app = answer::app()?;
    let headers = answer::headers();
    let token = cookies::read(&headers, &app.config, Name::Link).unwrap_or_default();
    let browser = cookies::read(&headers, &app.config, Name::Browser);
    sign_in::look(&app, &token, browser.as_deref())
        .await
        .map_err(answer::unavailable)
}

#[component]
fn Ready(masked: String) -> impl IntoView {
    view! {
        <h1>"One more step"</h1>
        <p class="lede">"Sign in as " <strong>{masked}</strong></p>
        <form class="card" method="post" action="/api/confirm_link">
            <p>"Your link works. Press the button to use it."</p>
            <button class="button primary">"Sign in"</button>
        </form>
        <p class="hint">
            "Not your address? Close this page. Nobody is signed in until the button is pressed."
        </p>
    }
}

#[component]
fn OtherBrowser(masked: String) -> impl IntoView {
    view! {
        <h1>"Use the code instead"</h1>
        <p class="lede">
            "This link, which signs in as " <strong>{masked}</strong>
            ", was asked for in another browser. Go back to that one and type the 8-digit code from the mail there."
        </p>
        <p>"That way nobody else can sign in with a link that was forwarded to them."</p>
        <a class="button quiet" href="/">"Ask for a new link in this browser"</a>
    }
}

#[component]
fn Spent() -> impl IntoView {
    view! {
        <h1>"This link no longer works"</h1>
        <p class="lede">
            "It has been used, or it is older than 10 minutes. A newer mail may be in your inbox."
        </p>
        <a class="button primary" href="/">"Ask for a new link"</a>
    }
}
