//! `billhook doctor`: checks everything that a server needs, and gives advice on each problem. It changes nothing,
//! works with settings that keep the server from starting, and prints no secret.

mod database;
mod endpoint;
mod key;
mod mail;
mod needs;
mod portal;
mod progress;
mod proxies;
mod serving;
mod settings;
mod show;
mod sign_in;
mod stripe;

use std::collections::HashMap;

use clap::Args;
use serde::Serialize;

use self::progress::Waiting;
use super::Form;
use crate::{clock::Clock, config, say};

/// The advice for a failure on Stripe's side.
const AGAIN: &str = "Run `billhook doctor` again in a minute.";

/// The state of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    /// It works, but could be better or safer.
    Warning,
    Failure,
    /// It could not be checked.
    Skipped,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub check: &'static str,
    pub state: State,
    pub says: String,
    /// The advice.
    #[serde(rename = "do")]
    pub advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, says: impl Into<String>) -> Finding {
        Finding {
            check,
            state: State::Ok,
            says: says.into(),
            advice: None,
        }
    }

    fn warning(check: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            state: State::Warning,
            advice: Some(advice.into()),
            ..Finding::ok(check, says)
        }
    }

    fn failure(check: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            state: State::Failure,
            ..Finding::warning(check, says, advice)
        }
    }

    fn skipped(check: &'static str, says: impl Into<String>) -> Finding {
        Finding {
            state: State::Skipped,
            ..Finding::ok(check, says)
        }
    }
}

/// The finding and advice for a mail that could not be sent.
pub fn of_mail(error: &crate::mail::Error) -> Finding {
    mail::told(error)
}

#[derive(Args, Debug)]
pub struct Doctor {
    /// Print the permissions that the key needs and the events that the webhook endpoint needs, and look at
    /// nothing
    #[arg(long)]
    needs: bool,
    #[command(flatten)]
    form: Form,
}

/// Runs all checks and prints the findings. An error without lines means that a check failed.
pub async fn run(Doctor { needs, form }: Doctor) -> Result<(), Vec<String>> {
    if needs {
        say(&match form.json {
            true => needs::json(),
            false => needs::page(),
        });
        return Ok(());
    }
    let findings = match config::environment() {
        Ok(found) => {
            let notes = found.notes.iter().map(|note| settings::told_note(note));
            let clock = Clock::default();
            let looked = look(&found.settings, &clock, &Waiting::shown(form)).await;
            notes.chain(looked).collect()
        }
        Err(faults) => settings::unreadable(&faults),
    };
    if form.json {
        say(&serde_json::to_string(&findings).unwrap_or_default());
    } else {
        say(&show::page(&findings, config::has_color()));
    }
    if findings
        .iter()
        .any(|finding| finding.state == State::Failure)
    {
        return Err(Vec::new());
    }
    Ok(())
}

/// All findings for these settings.
pub async fn examine(settings: &HashMap<String, String>, clock: &Clock) -> Vec<Finding> {
    look(settings, clock, &Waiting::default()).await
}

async fn look(
    settings: &HashMap<String, String>,
    clock: &Clock,
    waiting: &Waiting,
) -> Vec<Finding> {
    let around = config::read_around(settings);
    let mut findings = settings::examine(&around);
    findings.extend(serving::examine(&around).await);
    let (database, mail, answers) = tokio::join!(
        waiting.during("the database", database::examine(&around, clock)),
        waiting.during("the mail server", Box::pin(mail::examine(&around))),
        waiting.during("Stripe", stripe::ask_all(&around, clock)),
    );
    let (of_database, database_mode) = database;
    findings.extend(of_database);
    findings.extend(proxies::examine(&around, clock).await);
    findings.extend(mail);
    findings.extend(sign_in::examine(&around, clock).await);
    let Some((config, answers)) = around.with(&stripe::NEEDED).zip(answers) else {
        let names = stripe::NEEDED.join(" and ");
        let says = format!("not looked at: that needs {names}");
        findings.extend(
            ["stripe", "key", "portal", "endpoint"].map(|check| Finding::skipped(check, &says)),
        );
        return findings;
    };
    findings.extend(key::reached(&answers));
    if answers.is_refused() {
        let says = "not looked at: Stripe did not answer the key";
        findings.extend(
            ["key", "portal", "mode", "endpoint"].map(|check| Finding::skipped(check, says)),
        );
        return findings;
    }
    findings.extend(key::rights(config, &answers));
    findings.push(portal::examine(config, &answers));
    let ours = endpoint::find(&around, &answers);
    findings.push(key::mode(config, database_mode, ours));
    findings.extend(endpoint::examine(&around, &answers, ours));
    findings
}
