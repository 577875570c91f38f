//! `/`: the sign-in form, where a customer types their address.

use leptos::prelude::*;

use super::{
    ended::{self, SignedOut},
    frame::Frame,
};
use crate::{
    answer, clock,
    cookies::{self, Name},
    domain::keys,
    text,
};

#[component]
pub fn EmailForm() -> impl IntoView {
    if answer::principal().is_ok() {
        answer::see_other("/billing");
        return ().into_any();
    }
    let app_name = answer::app()
        .map(|app| app.config.app_name.clone())
        .unwrap_or_default();
    let problem = answer::query("problem").is_some_and(|code| code == "address");
    let typed = problem.then(typed).flatten();
    let ended = ended::told();
    let email: String = typed
        .or_else(|| answer::query_address("email"))
        .or_else(|| ended.as_ref().map(|ended| ended.email.clone()))
        .unwrap_or_default()
        .chars()
        .filter(|letter| text::is_seen(*letter))
        .take(254)
        .collect();
    view! {
        <Frame title="Sign in">
            {ended.map(|ended| view! { <SignedOut ended/> })}
            <h1>"See and manage your billing"</h1>
            <p class="lede">
                {format!(
                    "Enter the address that {app_name} writes to. You get a link that signs you in, so there is no password.",
                )}
            </p>
            <form class="card" method="post" action="/api/ask_link">
                // Idempotency key: the browser sends it twice when the button is clicked twice.
                <input type="hidden" name="ticket" value=clock::random_token()/>
                <div class="field">
                    <label for="email">"E-mail address"</label>
                    {problem
                        .then(|| {
                            view! {
                                <p class="problem" id="email-problem" role="alert" tabindex="-1" autofocus>
                                    "That does not look like an e-mail address. Check it and try again."
                                </p>
                            }
                        })}
                    <input
                        class="input"
                        id="email"
                        name="email"
                        type="email"
                        value=email
                        autocomplete="email"
                        inputmode="email"
                        enterkeyhint="send"
                        autocapitalize="none"
                        spellcheck="false"
                        maxlength="254"
                        required
                        aria-invalid=problem.then_some("true")
                        aria-describedby=problem.then_some("email-problem")
                    />
                </div>
                <button class="button primary">"E-mail me a sign-in link"</button>
            </form>
        </Frame>
    }
    .into_any()
}

/// The text that was just typed and is not a valid address.
fn typed() -> Option<String> {
    let app = answer::app().ok()?;
    let value = cookies::read(&answer::headers(), &app.config, Name::Typed)?;
    String::from_utf8(keys::decode(&value)?).ok()
}
