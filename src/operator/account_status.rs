//! `billhook account show`: explains why an address gets mail or does not.

use serde_json::{Value, json};

use super::{
    Form,
    text::{self, plain, table, time},
    told,
};
use crate::{
    domain::{
        App,
        account_status::{self, AccountStatus, Letter, MailFate},
        delivery::State,
        email,
    },
    say,
};

/// Maximum number of customers that are listed.
const NAMED: usize = 10;

pub async fn show(app: &App, typed: &str, form: Form) -> Result<(), Vec<String>> {
    let address = email::normalise(typed);
    if !address.contains('@') {
        return Err(told(&"that is not an e-mail address"));
    }
    let standing = account_status::look(app, &address)
        .await
        .map_err(|error| told(&error))?;
    if form.json {
        say(&text::json(&object(&address, &standing)));
    } else {
        say(&page(&address, &standing));
    }
    Ok(())
}

fn object(address: &str, standing: &AccountStatus) -> Value {
    let mails = standing.mails.iter().map(|mail| {
        json!({
            "id": mail.id,
            "kind": mail.kind.as_str(),
            "state": mail.fate.name(),
            "at": mail.at,
            "tries": mail.tries,
            "next_try": mail.due_at,
            "answer": mail.answer,
        })
    });
    let trouble = standing.trouble.as_ref().map(|trouble| {
        json!({ "since": trouble.since, "at": trouble.at, "tries": trouble.count, "says": trouble.says })
    });
    json!({
        "shown": email::mask(address),
        "known": !standing.customers.is_empty(),
        "customers": standing.customers,
        "customers_of_other_mode": standing.of_other_mode,
        "erased_at": standing.erased_at,
        "asked": standing.asked,
        "asked_at": standing.asked_at,
        "open_sign_ins": standing.live,
        "address_waits_until": standing.address_waits_until,
        "all_wait_until": standing.all_wait_until,
        "trouble": trouble,
        "mails": mails.collect::<Vec<_>>(),
        "reasons": reasons(standing),
    })
}

fn page(address: &str, standing: &AccountStatus) -> String {
    let asked = match (standing.asked, standing.asked_at) {
        (count, Some(at)) => format!("{count} times in the last day or so, last at {}", time(at)),
        _ => "not in the last day or so".to_owned(),
    };
    let now_or = |until: Option<i64>| {
        until.map_or("may leave now".to_owned(), |at| {
            format!("the next one after {}", time(at))
        })
    };
    let rows = [
        ("address", plain(&email::mask(address))),
        ("customers", named(&standing.customers)),
        ("asked for", asked),
        (
            "its limit",
            format!(
                "{}, for browsers that have not signed in with it",
                now_or(standing.address_waits_until)
            ),
        ),
        (
            "limit of all",
            format!(
                "{}, MAILS_PER_HOUR is {}",
                now_or(standing.all_wait_until),
                standing.mails_per_hour
            ),
        ),
    ];
    let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
    let mut lines = vec![table(&rows), String::new()];
    if !standing.mails.is_empty() {
        lines.push(table(&in_columns(&standing.mails)));
        lines.push(String::new());
    }
    lines.extend(reasons(standing));
    lines.join("\n")
}

fn named(ids: &[String]) -> String {
    if ids.is_empty() {
        return "none".to_owned();
    }
    let mut names: Vec<_> = ids.iter().take(NAMED).map(|id| plain(id)).collect();
    if ids.len() > NAMED {
        names.push(format!("and {} more", ids.len() - NAMED));
    }
    names.join(", ")
}

fn in_columns(mails: &[Letter]) -> Vec<Vec<String>> {
    let heads = [
        "at",
        "mail",
        "state",
        "tries",
        "next try",
        "the mail server said",
    ];
    let mut lines = vec![heads.map(str::to_owned).to_vec()];
    let or_dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    lines.extend(mails.iter().map(|mail| {
        vec![
            time(mail.at),
            plain(mail.kind.as_str()),
            mail.fate.name().to_owned(),
            mail.tries.to_string(),
            or_dash(mail.due_at.map(time).unwrap_or_default()),
            or_dash(plain(&mail.answer)),
        ]
    }));
    lines
}

/// Why no mail arrives, as far as the database tells.
fn reasons(standing: &AccountStatus) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    if !standing.is_address {
        reasons.push(
            "Nobody can sign in with this address: it is not written as one that mail is sent to. Change it at Stripe."
                .to_owned(),
        );
    }
    if standing.customers.is_empty() {
        reasons.push(unknown(standing));
    }
    if let Some(trouble) = &standing.trouble {
        reasons.push(format!(
            "No mail has left to anybody since {}: {}. `billhook doctor` says what to do.",
            time(trouble.since),
            plain(&trouble.says)
        ));
    }
    if let Some(until) = standing.address_waits_until {
        reasons.push(format!(
            "It was asked for too often ({} links are open): what is asked for before {} is answered as usual, and not sent.",
            standing.live,
            time(until)
        ));
    }
    if let Some(until) = standing.all_wait_until {
        reasons.push(format!(
            "More mails than MAILS_PER_HOUR are asked for: the next leaves after {}.",
            time(until)
        ));
    }
    reasons.extend(standing.mails.first().and_then(last));
    if reasons.is_empty() {
        reasons.push("Nothing keeps mail from it. Try `billhook mail test ADDRESS`.".to_owned());
    }
    reasons
}

fn unknown(standing: &AccountStatus) -> String {
    let erased = standing.erased_at.map(|at| {
        format!(
            "It was erased at {}; its customers of that time do not come back. ",
            time(at)
        )
    });
    let other = match standing.of_other_mode.is_empty() {
        true => String::new(),
        false => format!(
            "Those of the other mode do not count: {}. ",
            named(&standing.of_other_mode)
        ),
    };
    format!(
        "No customer is under this address, so no mail is sent to it, and who asks is not told so. {}{other}See which address the customer has at Stripe; `billhook import --only customers` reads it again.",
        erased.unwrap_or_default()
    )
}

fn last(mail: &Letter) -> Option<String> {
    let answer = plain(&mail.answer);
    Some(match mail.fate {
        MailFate::Known(State::Sent) => format!(
            "The mail server took the last mail at {}, with {answer}. Where it went from there is in that server's log; see the spam folder too.",
            time(mail.at)
        ),
        MailFate::Known(State::Refused) => format!(
            "The mail server refused this address for good at {}: {answer}.",
            time(mail.at)
        ),
        MailFate::Known(State::Waiting) => {
            format!("The last mail waits and is tried again; the mail server said {answer}.")
        }
        MailFate::Known(State::Dropped) if answer.is_empty() => {
            "The last mail was dropped before its turn came: its link had expired.".to_owned()
        }
        MailFate::Known(State::Dropped) => format!(
            "The last mail was dropped when its link had expired; the mail server had said {answer}."
        ),
        MailFate::Queued => "The last mail waits for its turn. Does the server run?".to_owned(),
        MailFate::Withheld => "The last mail was not sent: it was asked for too often, its link was used before, or nobody was under the address.".to_owned(),
    })
}
