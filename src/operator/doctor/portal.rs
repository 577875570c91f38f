//! Checks the customer portal's configuration at Stripe. Until it has been saved once, no portal session can be
//! created, whatever the permissions of the key.

use super::{
    AGAIN, Finding,
    stripe::{Answers, CONFIGURATIONS, PORTAL},
};
use crate::config::Config;

const CHECK: &str = "portal";
/// From Stripe's error message when a portal session is requested.
const NONE_YET: &str = "default configuration has not been created";

pub fn examine(config: &Config, answers: &Answers) -> Finding {
    if let Some(id) = &config.portal_configuration {
        return chosen(id, answers);
    }
    let answer = answers.to(CONFIGURATIONS);
    let defaults = answer.and_then(|answer| answer.body.get("data")?.as_array());
    let refused = answers
        .to(PORTAL)
        .and_then(|answer| answer.body.pointer("/error/message")?.as_str())
        .is_some_and(|message| message.contains(NONE_YET));
    match (defaults, answer) {
        _ if refused => none_yet(config),
        (Some(defaults), _) if defaults.is_empty() => none_yet(config),
        (Some(_), _) => Finding::ok(CHECK, "its settings have been saved, so Stripe opens it"),
        (None, Some(answer)) if !answers.is_open(CONFIGURATIONS) => {
            let why = if answer.is_not_allowed() {
                "the key may not read them".to_owned()
            } else {
                format!("Stripe answered {}", answer.status)
            };
            Finding::skipped(CHECK, format!("its settings were not looked at: {why}"))
        }
        (None, _) => Finding::warning(
            CHECK,
            format!(
                "Whether its settings have been saved could not be looked at: Stripe answered {}.",
                answers.instead(CONFIGURATIONS)
            ),
            AGAIN,
        ),
    }
}

/// The configuration of PORTAL_CONFIGURATION. With it Stripe needs no default configuration.
fn chosen(id: &str, answers: &Answers) -> Finding {
    const LIST: &str = "In Stripe's dashboard, Settings → Billing → Customer portal, look which configurations \
        there are in the mode of the key, and put the id of one that is active into PORTAL_CONFIGURATION.";
    let Some(answer) = &answers.configuration else {
        let says = format!("Whether {id} (PORTAL_CONFIGURATION) exists could not be looked at.");
        return Finding::warning(CHECK, says, AGAIN);
    };
    let is_active = answer
        .body
        .get("active")
        .and_then(serde_json::Value::as_bool);
    match (answer.status.is_success(), is_active) {
        (true, Some(false)) => {
            let says = format!(
                "{id} (PORTAL_CONFIGURATION) is not active, so Stripe opens no portal with it."
            );
            Finding::failure(CHECK, says, LIST)
        }
        (true, _) => Finding::ok(CHECK, format!("{id} (PORTAL_CONFIGURATION) exists")),
        (false, _) if answer.is_not_allowed() => Finding::skipped(
            CHECK,
            format!(
                "whether {id} (PORTAL_CONFIGURATION) exists was not looked at: the key may not read it"
            ),
        ),
        (false, _) if answer.is_allowed() => {
            let says =
                format!("Stripe knows no {id} (PORTAL_CONFIGURATION) in this account and mode.");
            Finding::failure(CHECK, says, LIST)
        }
        (false, _) => Finding::warning(
            CHECK,
            format!(
                "Whether {id} (PORTAL_CONFIGURATION) exists could not be looked at: Stripe answered {}.",
                answer.status
            ),
            AGAIN,
        ),
    }
}

fn none_yet(config: &Config) -> Finding {
    let mode = if config.livemode() { "" } else { "test/" };
    Finding::failure(
        CHECK,
        "Its settings have never been saved, so Stripe opens no portal.",
        format!(
            "In Stripe's dashboard, Settings → Billing → Customer portal, choose what customers may do, \
             and save once: https://dashboard.stripe.com/{mode}settings/billing/portal"
        ),
    )
}
