//! What became of mails: kept for the operator, who is asked why somebody gets none, and for the doctor. Of each
//! address the last few are kept, under its HMAC, and they go when it is erased.

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

/// Under which name the trouble with the mail server is kept.
const TROUBLE: &str = "mail-trouble";
/// Mails that are kept of an address.
const MOST: usize = 10;
/// Seconds between two lines of alarm.
const ALARM_EVERY: i64 = 10 * 60;

words! {
    /// How far a mail came.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum State {
        /// The mail server has it.
        Sent = "sent",
        /// It could not be sent, and is tried again.
        Waiting = "waiting",
        /// The mail server has said no to this recipient for good.
        Refused = "refused",
        /// It was of no more use before it could be sent.
        Dropped = "dropped",
    }
}

/// What became of a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The mail's.
    pub id: String,
    pub kind: Kind,
    pub state: State,
    pub at: i64,
    pub tries: i64,
    /// What the mail server said last, or why it was not ask_status.
    pub answer: String,
}

/// What keeps all mails from leaving. It goes with the next that leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Of the first try in vain, and of the last.
    pub since: i64,
    pub at: i64,
    pub count: u64,
    pub says: String,
}

/// Keeps how a try went.
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

/// Keeps that a mail of that id will not be tried any more. Of addresses that nobody is under nothing is
/// kept: strangers ask for as many as they like.
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

/// What keeps all mails from leaving, if something does.
pub async fn trouble(tx: &mut Tx) -> store::Result<Option<Trouble>> {
    let kept = progress::get(tx, TROUBLE).await?;
    Ok(kept.and_then(|text| serde_json::from_str(&text).ok()))
}

/// That a mail left besides those of the outbox.
pub async fn works(app: &App) -> store::Result<()> {
    app.store
        .write(|tx| async move { progress::forget(tx, TROUBLE).await }.boxed())
        .await
}

/// The last mails to an address, the newest first.
pub async fn of_address(keys: &Keys, tx: &mut Tx, address: &str) -> store::Result<Vec<Outcome>> {
    let mut all = Vec::new();
    for name in names(keys, address) {
        all.extend(read(tx, &name).await?);
    }
    all.sort_by_key(|outcome| std::cmp::Reverse(outcome.at));
    Ok(all)
}

/// Under which names the mails of an address may be kept: by the present secret and by those before it.
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
    // Several may leave at once.
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

/// A line that somebody has to act on. Mails are tried often, so not at each.
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
