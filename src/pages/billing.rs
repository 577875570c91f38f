//! `/billing`: every customer record of the signed-in address. The list is an island: rendered here
//! first, live in the browser afterwards.

use leptos::prelude::*;

use super::{frame::Frame, message::FaultOfOurs};
use crate::{answer, api, islands::CustomerList, model::ApiError};

#[component]
pub fn Billing() -> impl IntoView {
    let app_name = answer::app()
        .map(|app| app.config.app_name.clone())
        .unwrap_or_default();
    let address = answer::principal().map(|principal| principal.email().to_owned());
    let failed = answer::query("problem")
        .filter(|code| code == ApiError::Unavailable.code())
        .and_then(|_| answer::query("customer"));
    view! {
        <Frame title="Billing">
            <Suspense>{Suspend::new(async move {
                match api::customers().await {
                    Ok(customers) => view! {
                        <CustomerList
                            customers
                            address=address.unwrap_or_default()
                            app_name
                            failed
                        />
                    }
                        .into_any(),
                    Err(_) => view! { <FaultOfOurs retry="/billing"/> }.into_any(),
                }
            })}</Suspense>
        </Frame>
        // Not Leptos' own tag: that also preloads the program where scripts are off.
        <script type="module" src="/islands.js" nonce=leptos::nonce::use_nonce()></script>
    }
}
