//! Checks the settings.

use std::os::unix::fs::PermissionsExt;

use super::Finding;
use crate::config::{Around, SETTINGS, is_loopback};

const CHECK: &str = "settings";

/// The findings if `.env` cannot be parsed.
pub fn unreadable(faults: &[String]) -> Vec<Finding> {
    let failures = faults.iter().map(|fault| told(fault));
    let says = "not looked at: that needs settings";
    let others = [
        "server", "database", "mail", "sign-in", "stripe", "key", "portal", "endpoint",
    ];
    failures
        .chain(others.map(|check| Finding::skipped(check, says)))
        .collect()
}

pub fn examine(around: &Around) -> Vec<Finding> {
    let mut findings: Vec<_> = around.faults.iter().map(|fault| told(fault)).collect();
    if findings.is_empty() {
        let says = format!(
            "all {} are there or have defaults, and are safe",
            SETTINGS.len()
        );
        findings.push(Finding::ok(CHECK, says));
    }
    if let Some(config) = around.with(&["FRONTEND_URL"])
        && is_loopback(&config.frontend_url)
    {
        findings.push(Finding::warning(
            CHECK,
            "FRONTEND_URL is an address of this machine alone: no customer can follow a link to it.",
            "For more than a trial, set it to the public https address.",
        ));
    }
    if let Some(config) = around.with(&["STRIPE_API_BASE"])
        && config.stripe_api_base.host_str() != Some("api.stripe.com")
    {
        findings.push(Finding::warning(
            CHECK,
            "STRIPE_API_BASE is not Stripe.",
            "For more than a trial, take it out: the default is https://api.stripe.com.",
        ));
    }
    if let Ok(file) = std::fs::metadata(".env")
        && file.permissions().mode() & 0o007 != 0
    {
        findings.push(Finding::warning(
            CHECK,
            "Every user of this machine can read .env, and the secrets in it.",
            "Run `chmod 600 .env` as the user that the server runs as.",
        ));
    }
    findings
}

/// A finding about a probable mistake.
pub fn told_note(note: &str) -> Finding {
    let (says, advice) = note.split_once(". ").unwrap_or((note, ""));
    Finding::warning(CHECK, format!("{}.", says.trim_end_matches('.')), advice)
}

/// Splits an error: the first sentence says what is wrong, the others what is required.
fn told(fault: &str) -> Finding {
    let (says, advice) = fault.split_once(". ").unwrap_or((fault, ""));
    let help = "`billhook config` prints what is set, and with --table what there is to set.";
    Finding::failure(CHECK, format!("{says}."), format!("{advice} {help}"))
}
