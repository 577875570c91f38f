//! Checks the webhook endpoint at Stripe: its URL is ours, it is enabled, and it sends the mirrored event types.

use serde_json::Value;

use super::{
    AGAIN, Finding,
    stripe::{Answers, ENDPOINTS},
};
use crate::{
    config::{Around, Config},
    domain::mirror::EVENTS,
    stripe::{client::API_VERSION, json::text},
};

const CHECK: &str = "endpoint";
const NEEDED: &str = "FRONTEND_URL";
/// Event types that are listed; the rest is counted.
const SHOWN: usize = 6;

/// Our endpoint among all endpoints of the account; if there are several, an enabled one.
pub fn find<'a>(around: &Around, answers: &'a Answers) -> Option<&'a Value> {
    let url = address(around.with(&[NEEDED])?);
    let all = all(answers)?.iter();
    let mut ours: Vec<_> = all
        .filter(|endpoint| text(endpoint, "url").is_some_and(|other| other == url))
        .collect();
    ours.sort_by_key(|endpoint| !is_on(endpoint));
    ours.first().copied()
}

pub fn examine(around: &Around, answers: &Answers, ours: Option<&Value>) -> Vec<Finding> {
    let Some(config) = around.with(&[NEEDED]) else {
        let says = format!("not looked at: that needs {NEEDED}");
        return vec![Finding::skipped(CHECK, says)];
    };
    if answers
        .to(ENDPOINTS)
        .is_some_and(super::stripe::Answer::is_not_allowed)
    {
        return vec![Finding {
            advice: Some(
                "To have it looked at, give the key Read on Webhook Endpoints.".to_owned(),
            ),
            ..Finding::skipped(CHECK, "not looked at: the key may not read it")
        }];
    }
    if all(answers).is_none() {
        let says = format!(
            "It could not be looked at: Stripe answered {}.",
            answers.instead(ENDPOINTS)
        );
        return vec![Finding::warning(CHECK, says, AGAIN)];
    }
    let Some(ours) = ours else {
        return vec![Finding::failure(
            CHECK,
            format!("No webhook endpoint leads to {}.", address(config)),
            "In Stripe's dashboard, Developers → Webhooks, in the same mode as the key, add it with the \
             events that `billhook doctor --needs` prints, and put its signing secret into STRIPE_WEBHOOK_SECRET.",
        )];
    };
    let mut findings: Vec<_> = [(!is_on(ours)).then(turned_off), events(ours), version(ours)]
        .into_iter()
        .flatten()
        .collect();
    if findings.is_empty() {
        findings.push(Finding::ok(
            CHECK,
            "it leads here, is turned on and sends all that is needed",
        ));
    }
    findings
}

fn turned_off() -> Finding {
    Finding::failure(
        CHECK,
        "Stripe has it turned off: nothing is sent here.",
        "Turn it on in Developers → Webhooks. Then run `billhook sweep`, which fetches what was missed in up \
         to 30 days.",
    )
}

fn events(endpoint: &Value) -> Option<Finding> {
    let enabled: Vec<&str> = endpoint
        .get("enabled_events")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if enabled.contains(&"*") {
        return None;
    }
    let missing: Vec<_> = EVENTS
        .iter()
        .filter(|name| !enabled.contains(*name))
        .copied()
        .collect();
    if missing.is_empty() {
        return None;
    }
    let mut names = missing
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if missing.len() > SHOWN {
        names.push_str(&format!(" and {} more", missing.len() - SHOWN));
    }
    Some(Finding::failure(
        CHECK,
        format!("It does not send {names}."),
        "Choose them for the endpoint in Developers → Webhooks (`billhook doctor --needs` prints all). Then run `billhook sweep`.",
    ))
}

/// A warning, because other API versions are read too, as far as they are known.
fn version(endpoint: &Value) -> Option<Finding> {
    let version = text(endpoint, "api_version");
    if version.as_deref() == Some(API_VERSION) {
        return None;
    }
    let says = match version {
        Some(version) => format!(
            "It sends events of API version {version}; this program is made for {API_VERSION}."
        ),
        None => format!(
            "It sends events of the account's API version, whichever that is; this program is made for {API_VERSION}."
        ),
    };
    Some(Finding::warning(
        CHECK,
        says,
        format!(
            "Older versions are understood. To be sure, create an endpoint with api_version={API_VERSION} by \
             Stripe's API or command line, and take its secret."
        ),
    ))
}

fn address(config: &Config) -> String {
    config.url("/webhooks/stripe")
}

fn all(answers: &Answers) -> Option<&Vec<Value>> {
    answers.to(ENDPOINTS)?.body.get("data")?.as_array()
}

fn is_on(endpoint: &Value) -> bool {
    text(endpoint, "status").is_some_and(|status| status == "enabled")
}
