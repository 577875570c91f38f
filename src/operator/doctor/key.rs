//! The key: known to Stripe, able to do what it must, unable to do what a thief would like, and of
//! the right one of Stripe's two worlds. And, by the same answers, the clock.

use reqwest::StatusCode;
use serde_json::Value;

use super::{
    AGAIN, Finding,
    stripe::{Answer, Answers, PORTAL, READS, SECRETS},
};
use crate::{config::Config, domain::mode::word};

/// Seconds beyond which Stripe's signatures are too old or too new to be believed soon.
const MOST: i64 = 60;
const CLOCK: &str = "clock";
const STRIPE: &str = "stripe";
const KEY: &str = "key";
const MODE: &str = "mode";

/// Whether Stripe answers this key, and what time it is there.
pub fn reached(answers: &Answers) -> Vec<Finding> {
    let mut findings = vec![clock(answers)];
    let answer = answers.to(READS[0]);
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

/// What the key may do.
pub fn rights(config: &Config, answers: &Answers) -> Vec<Finding> {
    let mut findings = vec![portal(answers)];
    let missing: Vec<_> = READS
        .into_iter()
        .filter(|path| answers.to(path).is_some_and(Answer::is_not_allowed))
        .collect();
    let untried: Vec<_> = READS
        .into_iter()
        .filter(|path| answers.is_open(path))
        .collect();
    if let Some(first) = untried.first() {
        let titles: Vec<_> = untried.iter().copied().map(title).collect();
        let what = format!("Whether it may read {}", titles.join(", "));
        findings.push(not_tried(&what, &answers.instead(first)));
    }
    if missing.is_empty() && untried.is_empty() {
        findings.push(Finding::ok(
            KEY,
            "it may read what is imported and looked up",
        ));
    }
    for (path, loss) in [
        (READS[0], "customers from before cannot be imported"),
        (READS[1], "events that never arrived cannot be found"),
    ] {
        if missing.contains(&path) {
            findings.push(Finding::warning(
                KEY,
                format!(
                    "It may not read {}{}: {loss}.",
                    title(path),
                    named(answers, path)
                ),
                give(title(path)),
            ));
        }
    }
    let others: Vec<_> = missing
        .iter()
        .filter(|path| !READS[..2].contains(path))
        .collect();
    if !others.is_empty() {
        let names = others
            .iter()
            .map(|path| format!("{}{}", title(path), named(answers, path)));
        let titles: Vec<_> = others.iter().map(|path| title(path)).collect();
        findings.push(Finding::warning(
            KEY,
            format!(
                "It may not read {}: they are not imported, nor looked up where events leave something open.",
                names.collect::<Vec<_>>().join(", ")
            ),
            give(&titles.join(", ")),
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

/// A key that is stolen should be worth little.
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
        .into_iter()
        .filter(|path| answers.to(path).is_some_and(Answer::is_allowed))
        .map(title)
        .collect();
    let untried = SECRETS.into_iter().find(|path| answers.is_open(path));
    if !open.is_empty() {
        return Finding::failure(
            KEY,
            format!(
                "It may see {}, which Billhook never needs.",
                open.join(", ")
            ),
            format!(
                "In Stripe's dashboard, Developers → API keys, edit the key and set {} to None: whoever \
                 steals it should get nothing from it.",
                open.join(", ")
            ),
        );
    }
    if let Some(path) = untried {
        return not_tried(
            "Whether it may see refunds, charges and payouts",
            &answers.instead(path),
        );
    }
    Finding::ok(
        KEY,
        "it is restricted: refunds, charges and payouts are closed to it",
    )
}

/// Key, database and webhook endpoint are all of one world.
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

/// The permission in Stripe's own words, where it named one.
fn named(answers: &Answers, path: &str) -> String {
    let name = answers
        .to(path)
        .and_then(|answer| answer.permission.as_deref());
    name.map_or_else(String::new, |name| format!(" (rak_{name})"))
}

/// What Stripe's dashboard calls a resource.
fn title(path: &'static str) -> &'static str {
    match path {
        "v1/customers" => "Customers",
        "v1/events" => "Events",
        "v1/products" => "Products",
        "v1/prices" => "Prices",
        "v1/coupons" => "Coupons",
        "v1/subscriptions" => "Subscriptions",
        "v1/invoices" => "Invoices",
        "v1/payment_intents" => "PaymentIntents",
        "v1/payment_methods" => "Payment Methods",
        "v1/checkout/sessions" => "Checkout Sessions",
        "v1/entitlements/active_entitlements" => "Entitlements",
        "v1/refunds" => "Refunds",
        "v1/charges" => "Charges",
        "v1/payouts" => "Payouts",
        other => other,
    }
}
