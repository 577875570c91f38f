//! `/sign-in/confirm`: the page of an opened link. Showing it does not consume the link; its button does.

use leptos::prelude::*;

use super::{frame::Frame, message::FaultOfOurs, no_cookies::LinkWithoutCookie};
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
                    // The button was pressed twice, the mail was opened again, or the person signed in in another tab.
                    Ok(Seen::SignedIn) => {
                        answer::see_other("/billing");
                        ().into_any()
                    }
                    Ok(Seen::NoCookie) => view! { <LinkWithoutCookie/> }.into_any(),
                    Ok(Seen::Link(Link::Ready(masked))) => view! { <Ready masked/> }.into_any(),
                    Ok(Seen::Link(Link::Elsewhere(masked))) => {
                        view! { <OtherBrowser masked/> }.into_any()
                    }
                    Ok(Seen::Link(Link::Spent)) => view! { <Spent/> }.into_any(),
                    Err(_) => view! { <FaultOfOurs retry="/sign-in/confirm"/> }.into_any(),
                }
            })}</Suspense>
        </Frame>
    }
}

/// What the page shows.
enum Seen {
    SignedIn,
    NoCookie,
    Link(Link),
}

async fn look() -> Result<Seen, ApiError> {
    let app = answer::app()?;
    let headers = answer::headers();
    let principal = answer::principal().ok();
    let Some(token) = cookies::read(&headers, &app.config, Name::Link) else {
        return Ok(match principal {
            Some(_) => Seen::SignedIn,
            None => Seen::NoCookie,
        });
    };
    let browser = cookies::read(&headers, &app.config, Name::Browser);
    let link = sign_in::look(&app, &token, browser.as_deref())
        .await
        .map_err(answer::unavailable)?;
    let Some(principal) = principal else {
        return Ok(Seen::Link(link));
    };
    let address = sign_in::address_of(&app, &token)
        .await
        .map_err(answer::unavailable)?;
    // A link for another address switches who is signed in here, or shows why it cannot.
    let is_another = address.is_some_and(|address| address != principal.email());
    Ok(if is_another {
        Seen::Link(link)
    } else {
        Seen::SignedIn
    })
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
