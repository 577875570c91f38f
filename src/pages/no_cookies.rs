//! Errors for browsers that do not send our cookies back where the sign-in needs one.

use leptos::prelude::*;

/// For the page of a link. Also shown when that page is opened directly.
#[component]
pub fn LinkWithoutCookie() -> impl IntoView {
    view! {
        <h1>"Your browser sent no cookie"</h1>
        <p class="lede">
            "Signing in with a link takes a cookie, and your browser did not keep ours or did not send it back. The link itself may still be good."
        </p>
        <p>
            "Allow cookies for this site, or use another browser, and ask for a link there. A cookie of ours also ends after 10 minutes."
        </p>
        <a class="button primary" href="/">"Ask for a new link"</a>
    }
}

/// The error for a code that arrives without a cookie.
pub const CODE_UNTOLD: &str = "Your browser sent no cookie of ours with the code, so nobody can tell what it is for. Allow cookies for this site, or use another browser, and ask for a new one.";

/// For the page that asks for the code.
#[component]
pub fn CodeWithoutCookie() -> impl IntoView {
    view! {
        <p class="lede">
            "No link was asked for in this browser in the last 10 minutes. If you have just asked for one, your browser did not keep our cookie: allow cookies for this site, or use another browser, and ask again."
        </p>
    }
}
