//! `/sign-in/check`: shows the state of the mail, and asks for its code.

use leptos::prelude::*;

use super::{
    frame::Frame,
    message::FaultOfOurs,
    no_cookies::{CODE_UNTOLD, CodeWithoutCookie},
};
use crate::{
    answer, clock,
    cookies::{self, Name},
    domain::ask_status::{self, Asked},
    model::ApiError,
};

/// What to do about a code that did not sign in.
fn problem() -> Option<&'static str> {
    match answer::query("problem")?.as_str() {
        "code" => Some("That code is not right. Check the newest mail and try again."),
        "spent" if browser().is_none() => Some(CODE_UNTOLD),
        "spent" => {
            Some("That code has been used, has expired or was tried too often. Ask for a new one.")
        }
        "paused" => Some(
            "Too many wrong codes were typed lately, here or by others, so no code is taken for a while. \
             Open the link in the mail in this browser: links work.",
        ),
        _ => None,
    }
}

#[component]
pub fn Check() -> impl IntoView {
    let is_over = answer::query("problem").as_deref() == Some("spent");
    view! {
        <Frame title="Check your inbox">
            <h1>"Check your inbox"</h1>
            <Suspense>{Suspend::new(async move {
                match asked_for().await {
                    Ok(asked) => view! {
                        <Lede asked=asked.clone()/>
                        <CodeForm/>
                        {asked.map(|asked| view! { <NoMail asked/> })}
                    }
                        .into_any(),
                    Err(_) => view! { <FaultOfOurs retry="/sign-in/check"/> }.into_any(),
                }
            })}</Suspense>
            {is_over.then(|| view! { <a class="button" href="/">"Ask for a new code"</a> })}
            <a class="button quiet" href="/">"Use another address"</a>
        </Frame>
    }
}

#[component]
fn Lede(asked: Option<Asked>) -> impl IntoView {
    let app_name = answer::app()
        .map(|app| app.config.app_name.clone())
        .unwrap_or_default();
    let Some(Asked {
        address,
        wait,
        is_busy,
    }) = asked
    else {
        if answer::principal().is_err() {
            return view! { <CodeWithoutCookie/> }.into_any();
        }
        if problem().is_some() {
            // The button was pressed twice, or in two tabs.
            answer::see_other("/billing");
        }
        return view! { <SignedInAlready/> }.into_any();
    };
    view! {
        <p class="lede">
            "If " <strong>{address}</strong> " has an account with " {app_name}
            ", a link and a code are on their way. They work once, for 10 minutes."
        </p>
        {wait
            .map(|seconds| {
                view! {
                    <p class="notice" role="status">
                        "No other mail was sent: the last one was asked for just before. You can ask for the next in "
                        {in_words(seconds)} "."
                    </p>
                }
            })}
        {is_busy
            .then(|| {
                view! {
                    <p class="notice" role="status">
                        "Many people are asking for a link at the moment, so the mail may take some minutes, or not come at all. If there is none after 10 minutes, send it again."
                    </p>
                }
            })}
    }
    .into_any()
}

fn in_words(seconds: i64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", (seconds + 59) / 60),
    }
}

#[component]
fn CodeForm() -> impl IntoView {
    let problem = problem();
    view! {
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
    }
}

/// The same for every address, so it reveals nothing. Rendered at once: it needs no script.
#[component]
fn NoMail(asked: Asked) -> impl IntoView {
    view! {
        <section class="no-mail">
            <h2>"No mail after a minute?"</h2>
            <ul>
                <li>"Look in the spam folder."</li>
                <li>"See that the address above has no slip in it, and is the one that you are written to: no mail goes to another."</li>
                <li>"Send it again, a minute after the last one. An address gets three mails, and then one an hour."</li>
            </ul>
            <form method="post" action="/api/ask_link">
                // Idempotency key: the browser sends it twice when the button is clicked twice.
                <input type="hidden" name="ticket" value=clock::random_token()/>
                <input type="hidden" name="email" value=asked.address/>
                <button class="button">"Send again"</button>
            </form>
        </section>
    }
}

/// The person signed in in another tab, while this one waited for the mail.
#[component]
fn SignedInAlready() -> impl IntoView {
    view! {
        <p class="lede">"You are signed in already: no code is needed any more."</p>
        <a class="button primary" href="/billing">"Go to your billing"</a>
    }
}

fn browser() -> Option<String> {
    let app = answer::app().ok()?;
    cookies::read(&answer::headers(), &app.config, Name::Browser)
}

async fn asked_for() -> Result<Option<Asked>, ApiError> {
    let app = answer::app()?;
    match browser() {
        Some(browser) => ask_status::last(&app, &browser)
            .await
            .map_err(answer::unavailable),
        None => Ok(None),
    }
}
