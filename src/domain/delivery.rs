//! Records how the delivery of mails went, for the doctor, and for the operator, who is asked why somebody gets no mail. The database
//! keeps the last few of each address under the address's HMAC, until the address is erased.

use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::{App, audit, keys::Keys};
use crate::{
    log_throttle::LogThrottle,
    mail::{self, Taken},
    store::{
        self, Tx,
        outbox::{Kind, Mail},
        progress,
        words::words,
    },
};

/// The name under which the database keeps the [`Trouble`] with the mail server.
const TROUBLE: &str = "mail-trouble";
/// Outcomes that are kept for each address.
const MOST: usize = 10;
/// Seconds between two log lines of the alarm.
const ALARM_EVERY: i64 = 10 * 60;

words! {
    /// The delivery state of a mail.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum State {
        /// The mail server accepted it.
        Sent = "sent",
        /// It could not be sent. The outbox retries it.
        Waiting = "waiting",
        /// The mail server permanently refused this recipient (a hard bounce).
        Refused = "refused",
        /// It expired before it could be sent.
        Dropped = "dropped",
    }
}

/// How the delivery of a mail went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The id of the mail.
    pub id: String,
    pub kind: Kind,
    pub state: State,
    pub at: i64,
    pub tries: i64,
    /// The mail server's last answer, or why it was not asked.
    pub answer: String,
}

/// A failure of the mail server that affects all mails. The next successful delivery deletes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The times of the first and the last failed attempt.
    pub since: i64,
    pub at: i64,
    pub count: u64,
    pub says: String,
}

/// Records the result of an attempt to send a mail.
pub async fn tried(
    app: &App,
    tx: &mut Tx,
    mail: &Mail,
    result: &Result<Taken, mail::Error>,
    time: i64,
) -> store::Result<()> {
    let (state, answer) = match result {
        Ok(taken) => (State::Sent, taken.answer.clone()),
        Err(error) if error.is_permanent() => (State::Refused, said(error)),
        Err(error) => (State::Waiting, said(error)),
    };
    match result {
        Ok(_) => progress::forget(tx, TROUBLE).await?,
        Err(error) if error.is_of_server() => {
            alarm(app, error);
            let known = trouble(tx).await?;
            let trouble = Trouble {
                since: known.as_ref().map_or(time, |known| known.since),
                at: time,
                count: known.map_or(0, |known| known.count) + 1,
                says: error.to_string(),
            };
            let value = serde_json::to_string(&trouble).unwrap_or_default();
            progress::set(tx, TROUBLE, &value, time).await?;
        }
        Err(_) => {}
    }
    keep(&app.keys, tx, mail, state, &answer, time).await
}

/// Records that the mail with this id will not be retried. Records nothing for an address without a customer: strangers can request
/// mails for as many such addresses as they like, and would fill the disk.
pub async fn dropped(app: &App, tx: &mut Tx, id: &str, time: i64) -> store::Result<()> {
    let Some(mail) = store::outbox::find(tx, id).await? else {
        return Ok(());
    };
    let address = store::outbox::address(tx, &mail).await?.unwrap_or_default();
    if !store::customer::exists(tx, &address, app.config.livemode()).await? {
        return Ok(());
    }
    keep(&app.keys, tx, &mail, State::Dropped, "", time).await
}

/// The current failure of the mail server, if there is one.
pub async fn trouble(tx: &mut Tx) -> store::Result<Option<Trouble>> {
    let kept = progress::get(tx, TROUBLE).await?;
    Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Records that the mail server works, after a mail that was sent without the outbox.
pub async fn works(app: &App) -> store::Result<()> {
    app.store
        .write(|tx| async move { progress::forget(tx, TROUBLE).await }.boxed())
        .await
}

/// The last deliveries to an address, the newest first.
pub async fn of_address(keys: &Keys, tx: &mut Tx, address: &str) -> store::Result<Vec<Outcome>> {
    let mut all = Vec::new();
    for name in names(keys, address) {
        all.extend(read(tx, &name).await?);
    }
    all.sort_by_key(|outcome| std::cmp::Reverse(outcome.at));
    Ok(all)
}

/// The names under which the deliveries to an address may be kept: one for the current secret, and one for each previous secret.
pub fn names(keys: &Keys, address: &str) -> Vec<String> {
    keys.each().map(|keys| name(&keys, address)).collect()
}

fn name(keys: &Keys, address: &str) -> String {
    format!("{}{}", progress::MAILS, audit::who(keys, address))
}

fn said(error: &mail::Error) -> String {
    match error {
        mail::Error::Refused(refusal) => format!("{} (to {})", refusal.answer, refusal.step),
        error => error.to_string(),
    }
}

async fn keep(
    keys: &Keys,
    tx: &mut Tx,
    mail: &Mail,
    state: State,
    answer: &str,
    time: i64,
) -> store::Result<()> {
    let Some(address) = store::outbox::address(tx, mail).await? else {
        return Ok(());
    };
    let name = name(keys, &address);
    // Several mails to one address may be sent concurrently. The lock prevents lost updates.
    tx.lock(&[&name]).await?;
    let mut all = read(tx, &name).await?;
    let before = all.iter().position(|outcome| outcome.id == mail.id);
    let before = before.map(|place| all.remove(place));
    let answer = match before {
        Some(before) if answer.is_empty() => before.answer,
        _ => answer.to_owned(),
    };
    all.insert(
        0,
        Outcome {
            id: mail.id.clone(),
            kind: mail.kind,
            state,
            at: time,
            tries: mail.attempts,
            answer,
        },
    );
    all.truncate(MOST);
    let value = serde_json::to_string(&all).unwrap_or_default();
    progress::set(tx, &name, &value, time).await
}

async fn read(tx: &mut Tx, name: &str) -> store::Result<Vec<Outcome>> {
    let kept = progress::get(tx, name).await?;
    Ok(kept
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default())
}

/// Logs an error that the operator has to act on. Throttled, since the outbox retries often.
fn alarm(app: &App, error: &mail::Error) {
    static ALARM: LogThrottle = LogThrottle::new(ALARM_EVERY);
    if error.is_alarm()
        && let Some(count) = ALARM.count(app.clock.now())
    {
        tracing::error!(
            %error,
            count,
            "the mail server takes no mail of ours: no customer can sign in until that is put right; `billhook doctor` says how"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, State};

    #[test]
    fn states_and_kinds_of_mails_are_kept_under_their_words() {
        for state in State::ALL {
            assert_eq!(serde_json::json!(state), state.as_str());
        }
        for kind in Kind::ALL {
            assert_eq!(serde_json::json!(kind), kind.as_str());
        }
    }
}
