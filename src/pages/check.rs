//! `/sign-in/check`: the mail is on its way, and this is where its code is typed.

use leptos::prelude::*;

use super::frame::Frame;
use crate::{
    answer,
    cookies::{self, Name},
    domain::sign_in,
};

#[component]
pub fn Check() -> impl IntoView {
    let problem = answer::query("problem").and_then(|code| match code.as_str() {
        "code" => Some("That code is not right. Check the newest mail and try again."),
        "spent" => {
            Some("That code has been used, has expired or was tried too often. Ask for a new one.")
        }
        "paused" => Some(
            "Too many wrong codes were typed here by all visitors together, so no code is taken for a while. \
             Open the link in the mail in this browser: links work.",
        ),
        _ => None,
    });
    let app_name = answer::app()
        .map(|app| app.config.app_name.clone())
        .unwrap_or_default();
    let is_over = answer::query("problem").as_deref() == Some("spent");
    view! {
        <Frame title="Check your inbox">
            <h1>"Check your inbox"</h1>
            <Suspense>{Suspend::new(async move {
                let address = asked_for().await;
                match address {
                    Some(address) => view! {
                        <p class="lede">
                            "If " <strong>{address}</strong> " has an account with " {app_name.clone()}
                            ", a link and a code are on their way. They work once, for 10 minutes."
                        </p>
                    }
                        .into_any(),
                    None => view! {
                        <p class="lede">
                            "No link was asked for in this browser in the last 10 minutes."
                        </p>
                    }
                        .into_any(),
                }
            })}</Suspense>
            <form class="card" method="post" action="/api/enter_code">
                <div class="field">
                    <label for="code">"8-digit code"</label>
                    {problem
                        .map(|words| {
                            view! {
                                <p class="problem" id="code-problem" role="alert" tabindex="-1" autofocus>
                                    {words}
                                </p>
                            }
                        })}
                    <input
                        class="input code"
                        id="code"
                        name="code"
                        autocomplete="one-time-code"
                        inputmode="numeric"
                        enterkeyhint="go"
                        maxlength="32"
                        required
                        aria-invalid=problem.map(|_| "true")
                        aria-describedby=problem.map(|_| "code-problem")
                    />
                </div>
                <button class="button primary">"Sign in"</button>
            </form>
            <p class="hint">
                "Nothing there after a minute? Look in the spam folder, and check the address for a slip."
            </p>
            {is_over.then(|| view! { <a class="button" href="/">"Ask for a new code"</a> })}
            <a class="button quiet" href="/">"Use another address"</a>
        </Frame>
    }
}

async fn asked_for() -> Option<String> {
    let app = answer::app().ok()?;
    let browser = cookies::read(&answer::headers(), &app.config, Name::Browser)?;
    sign_in::asked_for(&app, &browser)
        .await
        .map_err(answer::unavailable)
        .ok()?
}
