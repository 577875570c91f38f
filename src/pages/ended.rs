//! The notice on the start page after a session has ended.

use leptos::prelude::*;

use crate::{
    answer,
    config::Config,
    cookies::{self, Name},
    domain::sign_out_notice,
    store::session::{Ended, Why},
};

/// The ended session: that of this request, or the one from the cookie of a moment ago.
pub fn told() -> Option<Ended> {
    let app = answer::app().ok()?;
    answer::ended().or_else(|| {
        let value = cookies::read(&answer::headers(), &app.config, Name::Ended)?;
        sign_out_notice::open(&app.keys, &value, app.clock.now())
    })
}

#[component]
pub fn SignedOut(ended: Ended) -> impl IntoView {
    let words = answer::app()
        .ok()
        .and_then(|app| words(ended.why, &app.config));
    words.map(|words| {
        view! {
            <p class="notice" id="signed-out" role="status">
                {words}
            </p>
        }
    })
}

/// `None` if the person signed out here.
fn words(why: Option<Why>, config: &Config) -> Option<String> {
    let shop = &config.app_name;
    Some(match why {
        Some(Why::Here) => return None,
        Some(Why::Elsewhere) => {
            "You were signed out from another browser of yours. Sign in again to go on.".to_owned()
        }
        Some(Why::Operator) => {
            format!("{shop} signed you out everywhere. You can sign in again.")
        }
        Some(Why::Idle) => format!(
            "You were signed out because nothing was done here for {}. Sign in again to go on.",
            count(config.session_idle_minutes, "minute")
        ),
        Some(Why::Age) => format!(
            "You were signed out because a sign-in lasts {} at most. Sign in again to go on.",
            count(config.session_hours, "hour")
        ),
        Some(Why::Copied) => {
            "You were signed out for your safety: somebody may have used a copy of your session. Sign in again, and look at the list of devices. We have sent you a mail about it.".to_owned()
        }
        Some(Why::NoCustomer) => format!(
            "You were signed out because {shop} has no customer under this address any more. If the shop knows you by another address, sign in with that one."
        ),
        None => "You were signed out. Sign in again to go on.".to_owned(),
    })
}

fn count(number: i64, unit: &str) -> String {
    match number {
        1 => format!("1 {unit}"),
        number => format!("{number} {unit}s"),
    }
}
