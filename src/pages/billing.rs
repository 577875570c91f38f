//! `/billing`: every customer record of the signed-in address. The list is an island: rendered on the server first, then updated in
//! the browser.

use axum::http::StatusCode;
use leptos::prelude::*;

use super::{frame::Frame, message::FaultOfOurs};
use crate::{
    answer, api, assets,
    domain::billing,
    islands::CustomerList,
    log_throttle::LogThrottle,
    model::{ApiError, CustomerView, LIVE},
    present,
};

#[component]
pub fn Billing() -> impl IntoView {
    let app_name = answer::app()
        .map(|app| app.config.app_name.clone())
        .unwrap_or_default();
    let address = answer::principal().map(|principal| principal.email().to_owned());
    let failed = answer::query("problem")
        .and_then(|code| words(&code))
        .and_then(|words| Some((answer::query("customer")?, words.to_owned())));
    view! {
        <Frame title="Billing">
            <Suspense>{Suspend::new(async move {
                match api::customers().await {
                    Ok(customers) => {
                        let notice = match settled(&customers) {
                            Some(words) => Some(words.to_owned()),
                            None => news().await,
                        };
                        let failed = failed.filter(|(id, _)| tell_of(id, &customers));
                        let address = address.unwrap_or_default();
                        let stream = stream();
                        view! { <CustomerList customers address app_name failed notice stream/> }
                            .into_any()
                    }
                    Err(_) => view! { <FaultOfOurs retry="/billing"/> }.into_any(),
                }
            })}</Suspense>
        </Frame>
        // Not Leptos' own tag, which also preloads the program when scripts are off.
        <script type="module" src=assets::url("/islands.js") nonce=leptos::nonce::use_nonce()></script>
    }
}

/// The URL of the event stream. Passes `back` on, so that the stream tells what has changed since the customer left for Stripe.
fn stream() -> String {
    match answer::query("back") {
        Some(back) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("back", &back)
                .finish();
            format!("{}?{query}", LIVE)
        }
        None => LIVE.to_owned(),
    }
}

/// What has changed since the customer left for Stripe.
async fn news() -> Option<String> {
    let back = answer::query("back")?;
    let (app, principal) = (answer::app().ok()?, answer::principal().ok()?);
    let news = billing::news(&app, &principal, &back).await;
    news.map(present::news)
}

/// The notice after a click on *Pay* for an invoice that was already paid.
fn settled(customers: &[CustomerView]) -> Option<&'static str> {
    let is_settled = answer::query("problem").is_some_and(|code| code == "settled");
    let id = answer::query("customer").filter(|_| is_settled)?;
    let is_listed = customers.iter().any(|customer| customer.id == id);
    is_listed.then_some("That invoice is settled already: nothing is left to pay on it.")
}

/// Whether the page shows an error beside this customer, after a click that failed. The rest of the list still renders. Shows nothing
/// for customers that are not on the list, since anyone can forge the URL.
fn tell_of(id: &str, customers: &[CustomerView]) -> bool {
    let is_listed = customers.iter().any(|customer| customer.id == id);
    if is_listed {
        let customer = billing::shown(id);
        // Throttled: reloading the page repeats the line.
        static TOLD: LogThrottle = LogThrottle::few(10, 60);
        let now = answer::app().map_or(0, |app| app.clock.now());
        if let Some(count) = TOLD.count(now) {
            tracing::info!(customer, count, "a list tells of a click that failed");
        }
        answer::set_status(StatusCode::SERVICE_UNAVAILABLE);
        answer::retry_after(answer::RETRY_AFTER);
    }
    is_listed
}

/// The error beside a customer whose portal could not be opened just now.
fn words(code: &str) -> Option<&'static str> {
    [ApiError::Unavailable, ApiError::NotSetUp]
        .into_iter()
        .find(|error| error.code() == code)
        .map(|error| match error {
            ApiError::NotSetUp => {
                "This shop\u{2019}s billing is not fully set up, so Stripe\u{2019}s page could not be opened. We are sorry. The shop can see why; trying again does not help until they have mended it."
            }
            _ => {
                "Stripe did not answer, so its page could not be opened. Nothing was changed. Try again in a moment."
            }
        })
}
