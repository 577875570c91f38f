//! Checks the API key: Stripe accepts it, it has the required permissions, it has none that would be valuable to a
//! thief (least privilege), and its mode is right. The same answers also give the clock skew.

use reqwest::StatusCode;
use serde_json::Value;

use super::{
    AGAIN, Finding,
    stripe::{Answer, Answers, EVENTS, List, PORTAL, READS, SECRETS},
};
use crate::{config::Config, domain::mode::word};

/// Clock skew in seconds beyond which Stripe's signatures will soon be outside the tolerance.
const MOST: i64 = 60;
const CLOCK: &str = "clock";
const STRIPE: &str = "stripe";
const KEY: &str = "key";
const MODE: &str = "mode";

/// Whether Stripe accepts this key, and the clock skew.
pub fn reached(answers: &Answers) -> Vec<Finding> {
    let mut findings = vec![clock(answers)];
    let answer = answers.first();
    findings.push(match (answer.map(|answer| answer.status), &answers.unreachable) {
        (None, why) => Finding::failure(
            STRIPE,
            format!(
                "It cannot be reached: {}.",
                why.as_deref().unwrap_or("it did not answer")
            ),
            "See that this machine can connect to api.stripe.com, port 443: name server, firewall, outgoing \
             proxy. With STRIPE_API_BASE set, see that something listens there.",
        ),
        (Some(StatusCode::UNAUTHORIZED), _) => Finding::failure(
            STRIPE,
            "It does not know STRIPE_API_KEY.",
            "Copy the key again from Developers → API keys in Stripe's dashboard. Perhaps it was rolled, has \
             expired, or was cut when it was copied.",
        ),
        (Some(status), _) if answers.is_refused() => Finding::failure(
            STRIPE,
            format!("It answers {status}."),
            "If that is more than a passing trouble (https://status.stripe.com tells), see that \
             STRIPE_API_BASE is right and that no proxy stands between.",
        ),
        _ => Finding::ok(STRIPE, "it answers and knows the key"),
    });
    findings
}

fn clock(answers: &Answers) -> Finding {
    match answers.ahead {
        None => Finding::skipped(
            CLOCK,
            "not looked at: no answer of Stripe said what time it is",
        ),
        Some(ahead) if ahead.abs() > MOST => {
            let way = if ahead > 0 { "ahead of" } else { "behind" };
            Finding::failure(
                CLOCK,
                format!("This machine is {} seconds {way} Stripe.", ahead.abs()),
                "Let it be set over the network: `timedatectl set-ntp true`. Signatures of events more than \
                 five minutes off are refused, and links expire too soon or too late.",
            )
        }
        Some(_) => Finding::ok(CLOCK, "within a minute of Stripe's"),
    }
}

/// The key's permissions.
pub fn rights(config: &Config, answers: &Answers) -> Vec<Finding> {
    let mut findings = vec![portal(answers)];
    let untried: Vec<_> = READS
        .iter()
        .filter(|list| answers.is_open(&list.path))
        .collect();
    let mut missing: Vec<_> = READS
        .iter()
        .filter(|list| answers.to(&list.path).is_some_and(Answer::is_not_allowed))
        .collect();
    if let Some(first) = untried.first() {
        let what = format!("Whether it may read {}", titles(&untried).join(", "));
        findings.push(not_tried(&what, &answers.instead(&first.path)));
    }
    if missing.is_empty() && untried.is_empty() {
        findings.push(Finding::ok(
            KEY,
            "it may read what is imported and looked up",
        ));
    }
    let customers = READS.first().map_or("", |list| &list.path);
    for (path, loss) in [
        (customers, "customers from before cannot be imported"),
        (EVENTS, "events that never arrived cannot be found"),
    ] {
        for list in missing.extract_if(.., |list| list.path == path) {
            findings.push(Finding::warning(
                KEY,
                format!("It may not read {}: {loss}.", named(answers, list)),
                give(list.title),
            ));
        }
    }
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|list| named(answers, list)).collect();
        findings.push(Finding::warning(
            KEY,
            format!(
                "It may not read {}: they are not imported, nor looked up where events leave something open.",
                names.join(", ")
            ),
            give(&titles(&missing).join(", ")),
        ));
    }
    findings.push(too_much(config, answers));
    findings
}

fn portal(answers: &Answers) -> Finding {
    match answers.to(PORTAL) {
        Some(answer) if answer.is_allowed() => Finding::ok(KEY, "it may open customer portals"),
        Some(answer) if answer.is_not_allowed() => Finding::failure(
            KEY,
            "It may not open customer portals, which is what it is for.",
            "In Stripe's dashboard, Developers → API keys, edit the key and give it Customer portal: Write.",
        ),
        _ => not_tried(
            "Whether it may open customer portals",
            &answers.instead(PORTAL),
        ),
    }
}

fn not_tried(what: &str, instead: &str) -> Finding {
    Finding::warning(
        KEY,
        format!("{what} could not be tried: Stripe answered {instead}."),
        AGAIN,
    )
}

/// Least privilege: a stolen key must be worth little.
fn too_much(config: &Config, answers: &Answers) -> Finding {
    if config.stripe_api_key.expose().starts_with("sk_") {
        return Finding::warning(
            KEY,
            "It is a secret key (sk_…), which may do everything: charge, refund, pay out.",
            "Create a restricted key (rk_…) in Stripe's dashboard, as the README says in step 3, and put it \
             into STRIPE_API_KEY.",
        );
    }
    let open: Vec<_> = SECRETS
        .iter()
        .filter(|list| answers.to(&list.path).is_some_and(Answer::is_allowed))
        .collect();
    if !open.is_empty() {
        let titles = titles(&open).join(", ");
        return Finding::failure(
            KEY,
            format!("It may see {titles}, which Billhook never needs."),
            format!(
                "In Stripe's dashboard, Developers → API keys, edit the key and set {titles} to None, so that a \
                 stolen key reveals less."
            ),
        );
    }
    let secrets = secrets();
    if let Some(list) = SECRETS.iter().find(|list| answers.is_open(&list.path)) {
        return not_tried(
            &format!("Whether it may see {secrets}"),
            &answers.instead(&list.path),
        );
    }
    Finding::ok(KEY, format!("it is restricted: {secrets} are closed to it"))
}

/// `refunds, charges and payouts`
fn secrets() -> String {
    let all: Vec<_> = SECRETS
        .iter()
        .map(|list| list.title.to_lowercase())
        .collect();
    match all.split_last() {
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Key, database and webhook endpoint must have the same mode, live or test.
pub fn mode(config: &Config, database: Option<bool>, endpoint: Option<&Value>) -> Finding {
    let key = config.livemode();
    let mut others = Vec::new();
    if database.is_some_and(|database| database != key) {
        others.push("the database");
    }
    let endpoint = endpoint.and_then(|endpoint| endpoint.get("livemode")?.as_bool());
    if endpoint.is_some_and(|endpoint| endpoint != key) {
        others.push("the webhook endpoint");
    }
    if others.is_empty() {
        let known = match (database, endpoint) {
            (Some(_), Some(_)) => "key, database and webhook endpoint are",
            (Some(_), None) => "key and database are",
            (None, Some(_)) => "key and webhook endpoint are",
            (None, None) => "the key is",
        };
        return Finding::ok(MODE, format!("{known} of {} mode", word(key)));
    }
    let verb = if others.len() == 1 { "is" } else { "are" };
    Finding::failure(
        MODE,
        format!(
            "The key is of {} mode, {} {verb} of {} mode.",
            word(key),
            others.join(" and "),
            word(!key)
        ),
        "Take key, webhook secret and database all of one mode: a database holds what the first key that \
         it was used with belongs to, and the server does not start with another.",
    )
}

fn give(what: &str) -> String {
    format!(
        "In Stripe's dashboard, Developers → API keys, edit the key and give it Read on {what}."
    )
}

fn titles(lists: &[&List]) -> Vec<&'static str> {
    lists.iter().map(|list| list.title).collect()
}

/// The name of a list, with Stripe's own name of the permission where the answer has one.
fn named(answers: &Answers, list: &List) -> String {
    let answer = answers.to(&list.path);
    let permission = answer.and_then(|answer| answer.permission.as_deref());
    permission.map_or_else(
        || list.title.to_owned(),
        |name| format!("{} (rak_{name})", list.title),
    )
}
