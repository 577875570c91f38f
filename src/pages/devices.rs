//! `/devices`: the browsers in which the address is signed in, each with a button to sign it out.

use leptos::prelude::*;

use super::{frame::Frame, message::FaultOfOurs};
use crate::{
    answer,
    domain::devices::{self, Device},
    model::ApiError,
};

#[component]
pub fn Devices() -> impl IntoView {
    let address = answer::principal()
        .map(|principal| principal.email().to_owned())
        .unwrap_or_default();
    view! {
        <Frame title="Signed-in devices">
            <Suspense>{Suspend::new(async move {
                match list().await {
                    Ok(devices) => view! { <List devices address/> }.into_any(),
                    Err(_) => view! { <FaultOfOurs retry="/devices"/> }.into_any(),
                }
            })}</Suspense>
        </Frame>
    }
}

async fn list() -> Result<Vec<Device>, ApiError> {
    let (app, principal) = (answer::app()?, answer::principal()?);
    devices::list(&app, &principal)
        .await
        .map_err(answer::unavailable)
}

#[component]
fn List(devices: Vec<Device>, address: String) -> impl IntoView {
    let cards: Vec<_> = devices
        .into_iter()
        .map(|device| view! { <Card device/> })
        .collect();
    view! {
        <h1>"Signed-in devices"</h1>
        <p class="lede">
            "These browsers are signed in as " <strong>{address}</strong>
            ". Sign out what you do not know or no longer use."
        </p>
        <div class="cards">{cards}</div>
        <form method="post" action="/api/sign_out_everywhere">
            <button class="button">"Sign out everywhere"</button>
        </form>
        <a class="button quiet" href="/billing">"Back to billing"</a>
    }
}

#[component]
fn Card(device: Device) -> impl IntoView {
    let browser = match device.browser {
        words if words.is_empty() => "A browser that we cannot name".to_owned(),
        words => words,
    };
    let (since, used) = (ago(device.age), ago(device.unused));
    let id = format!("device-{}", device.handle);
    view! {
        <article class="card" aria-labelledby=id.clone()>
            <div class="name">
                <h2 id=id.clone()>{browser.clone()}</h2>
                {device.is_this.then(|| view! { <p class="state">"This device"</p> })}
            </div>
            <p class="facts">
                <span>{format!("Signed in {since}")}</span>
                <span>{format!("Last used {used}")}</span>
            </p>
            <form method="post" action="/api/end_session">
                <input type="hidden" name="handle" value=device.handle/>
                <button class="button" aria-label=format!("Sign out {browser}, signed in {since}")>
                    "Sign out"
                </button>
            </form>
        </article>
    }
}

/// Roughly how long ago. A duration needs no time zone.
fn ago(seconds: i64) -> String {
    let count = |number: i64, unit: &str| match number {
        1 => format!("1 {unit} ago"),
        number => format!("{number} {unit}s ago"),
    };
    match (seconds / 60, seconds / 3600) {
        (0, _) => "just now".to_owned(),
        (minutes, 0) => count(minutes, "minute"),
        (_, hours) if hours < 48 => count(hours, "hour"),
        (_, hours) => count(hours / 24, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::ago;

    #[test]
    fn times_are_said_roughly() {
        for (seconds, words) in [
            (59, "just now"),
            (60, "1 minute ago"),
            (3599, "59 minutes ago"),
            (3600, "1 hour ago"),
            (172_799, "47 hours ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(ago(seconds), words);
        }
    }
}
