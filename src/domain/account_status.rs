//! The status of one address for the operator: its customers, sign-ins, rate limits and mail deliveries. It answers why the address
//! gets mail, or gets none. No visitor is shown any of it.

use futures::FutureExt;

use super::{
    App,
    audit::{self, What},
    delivery::{self, Outcome, State, Trouble},
    email::Email,
    limits, mail_limit, sign_in,
};
use crate::store::{
    self, Tx,
    audit::Filter,
    outbox::{Kind, Mail},
    rate_limit::{self, Rate},
};

/// Mails of the outbox that the status shows.
const MOST: i64 = 10;

/// The status of an address. Times are unix seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountStatus {
    /// Whether the text is a valid address that mail can be sent to.
    pub is_address: bool,
    pub now: i64,
    /// Ids of the customers in the mode of the API key.
    pub customers: Vec<String>,
    /// Ids of the customers in the other mode. Sign-in ignores them.
    pub of_other_mode: Vec<String>,
    /// When the operator last erased the address.
    pub erased_at: Option<i64>,
    /// How many links were requested for it in about the last day, and when the last one was.
    pub asked: i64,
    pub asked_at: Option<i64>,
    /// Sign-ins that have not ended. With three of them, a browser that the address does not know gets no further one.
    pub live: usize,
    /// When the rate limit of the address lets an unknown browser request the next mail. `None` if it may now.
    pub address_waits_until: Option<i64>,
    /// When the global rate limit of mails lets the next mail leave. `None` if it may now.
    pub all_wait_until: Option<i64>,
    /// The current global rate limit: mails per hour.
    pub mails_per_hour: i64,
    pub trouble: Option<Trouble>,
    /// The last mails to the address, the newest first.
    pub mails: Vec<Letter>,
}

/// A mail to the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub id: String,
    pub kind: Kind,
    pub fate: MailFate,
    pub at: i64,
    pub tries: i64,
    /// When the outbox retries it, if it does.
    pub due_at: Option<i64>,
    /// The mail server's last answer.
    pub answer: String,
}

/// The delivery state of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailFate {
    Known(State),
    /// No delivery was attempted yet.
    Queued,
    /// It was not to be sent at all: the rate limit was reached, or no customer has the address.
    Withheld,
}

impl MailFate {
    pub fn name(self) -> &'static str {
        match self {
            MailFate::Known(state) => state.as_str(),
            MailFate::Queued => "queued",
            MailFate::Withheld => "not sent",
        }
    }
}

/// Reads the status of a normalised address, in one read transaction.
pub async fn look(app: &App, address: &str) -> store::Result<AccountStatus> {
    let (judge, address) = (app.clone(), address.to_owned());
    app.store
        .read(move |tx| async move { gather(&judge, tx, &address).await }.boxed())
        .await
}

async fn gather(app: &App, tx: &mut Tx, address: &str) -> store::Result<AccountStatus> {
    let time = app.clock.of_database(tx.clock().await?);
    let livemode = i64::from(app.config.livemode());
    let all = store::customer::of_address(tx, address).await?;
    let (customers, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(_, mode)| *mode == livemode);
    let ids = |rows: Vec<(String, i64)>| rows.into_iter().map(|(id, _)| id).collect();
    let (asked, asked_at) = store::sign_in::asked_of_address(tx, address).await?;
    let live = store::sign_in::live_of_address(tx, address, time).await?;
    let names = limits::address_names(&app.keys, address);
    let of_address = names.first().map(String::as_str).unwrap_or_default();
    Ok(AccountStatus {
        is_address: Email::parse(address).is_some(),
        now: time,
        customers: ids(customers),
        of_other_mode: ids(others),
        erased_at: erased_at(app, tx, address).await?,
        asked,
        asked_at,
        live: live.len(),
        address_waits_until: match live.first() {
            Some(end) if is_full(live.len()) => Some(*end),
            _ => waits_until(tx, of_address, limits::of_address(app), time).await?,
        },
        all_wait_until: mail_limit::waits_until(app, tx, time).await?,
        mails_per_hour: mail_limit::rate(app, tx).await?.burst,
        trouble: delivery::trouble(tx).await?,
        mails: mails(app, tx, address).await?,
    })
}

fn is_full(live: usize) -> bool {
    i64::try_from(live).is_ok_and(|live| live >= sign_in::MOST_LIVE)
}

async fn erased_at(app: &App, tx: &mut Tx, address: &str) -> store::Result<Option<i64>> {
    for keys in app.keys.each() {
        let filter = Filter {
            what: Some(What::Erased.name().to_owned()),
            who: Some(audit::who(&keys, address)),
            since: None,
        };
        if let Some(entry) = store::audit::list(tx, &filter, 1).await?.pop() {
            return Ok(Some(entry.at));
        }
    }
    Ok(None)
}

async fn waits_until(tx: &mut Tx, name: &str, rate: Rate, time: i64) -> store::Result<Option<i64>> {
    let free_at = rate_limit::free_at(tx, name, rate).await?;
    // Rounded up to the next whole second.
    Ok(free_at
        .filter(|free_at| *free_at > time * 1000)
        .map(|free_at| free_at.div_euclid(1000) + 1))
}

async fn mails(app: &App, tx: &mut Tx, address: &str) -> store::Result<Vec<Letter>> {
    let kept = delivery::of_address(&app.keys, tx, address).await?;
    let rows = store::outbox::of_address(tx, address, MOST).await?;
    let mut letters: Vec<_> = kept
        .iter()
        .map(|outcome| {
            let row = rows.iter().find(|row| row.id == outcome.id);
            of_outcome(outcome, row)
        })
        .collect();
    let unknown = rows
        .iter()
        .filter(|row| !kept.iter().any(|outcome| outcome.id == row.id));
    letters.extend(unknown.map(of_row));
    letters.sort_by_key(|letter| std::cmp::Reverse(letter.at));
    Ok(letters)
}

fn of_outcome(outcome: &Outcome, row: Option<&Mail>) -> Letter {
    Letter {
        id: outcome.id.clone(),
        kind: outcome.kind,
        fate: MailFate::Known(outcome.state),
        at: outcome.at,
        tries: outcome.tries,
        due_at: row.filter(|row| row.is_waiting()).map(|row| row.due_at),
        answer: outcome.answer.clone(),
    }
}

fn of_row(row: &Mail) -> Letter {
    Letter {
        id: row.id.clone(),
        kind: row.kind,
        fate: match (row.sent_at, row.withheld_at) {
            (Some(_), _) => MailFate::Known(State::Sent),
            (None, Some(_)) => MailFate::Withheld,
            (None, None) => MailFate::Queued,
        },
        at: row.sent_at.or(row.withheld_at).unwrap_or(row.due_at),
        tries: row.attempts,
        due_at: row.is_waiting().then_some(row.due_at),
        answer: String::new(),
    }
}
