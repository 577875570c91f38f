//! Decoys: mails that are not sent, since no customer has the address. They prevent user enumeration by timing. A decoy costs what a real
//! mail costs: it takes from the rate limit of mails, holds one of the slots for sending as long as one of the last deliveries did, and is
//! retried if that one was. Otherwise an attacker could request a link for an address, then time a mail of their own that is queued
//! behind it, and see whether the address is a customer's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock,
    mail::Mailer,
    store::{self, Tx, progress},
};

/// The name under which the database keeps the last deliveries, shared by all processes.
const NAME: &str = "deliveries";
/// How many deliveries are kept: few, so that decoys soon become slow when the mail server does.
const KEPT: usize = 16;
/// Seconds for which a delivery is kept.
const KEPT_FOR: i64 = 10 * 60;
/// How long a decoy takes while no delivery is kept, before jitter.
const USUAL: Duration = Duration::from_secs(1);

/// How the delivery of one mail to the mail server went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    millis: u64,
    /// When it ended, in unix seconds.
    #[serde(default)]
    at: i64,
    /// The mail server neither accepted it nor refused it permanently.
    pub is_retried: bool,
}

impl Delivery {
    pub fn new(took: Duration, is_retried: bool) -> Delivery {
        Delivery {
            millis: took.as_millis().try_into().unwrap_or(u64::MAX),
            at: 0,
            is_retried,
        }
    }

    pub fn took(self) -> Duration {
        Duration::from_millis(self.millis)
    }
}

/// One of the last deliveries, at random.
pub async fn draw(tx: &mut Tx, mailer: &Mailer, time: i64) -> store::Result<Delivery> {
    let last = last(tx, time).await?;
    let place = usize::from(clock::random_bytes()[0]) % last.len().max(1);
    Ok(last.get(place).copied().unwrap_or_else(|| usual(mailer)))
}

fn usual(mailer: &Mailer) -> Delivery {
    let took = match mailer {
        Mailer::Smtp { .. } => clock::jittered(USUAL),
        Mailer::Kept { .. } => Duration::ZERO,
    };
    Delivery::new(took, false)
}

/// Adds a delivery to the kept ones. With `None`, for a decoy, it writes the same list back, so that both take equally long.
pub async fn remember(tx: &mut Tx, delivery: Option<Delivery>, time: i64) -> store::Result<()> {
    let mut last = last(tx, time).await?;
    last.extend(delivery.map(|delivery| Delivery {
        at: time,
        ..delivery
    }));
    let surplus = last.len().saturating_sub(KEPT);
    last.drain(..surplus);
    let value = serde_json::to_string(&last).unwrap_or_default();
    progress::set(tx, NAME, &value, time).await
}

async fn last(tx: &mut Tx, time: i64) -> store::Result<Vec<Delivery>> {
    let kept = progress::get(tx, NAME).await?;
    let mut last: Vec<Delivery> = kept
        .and_then(|value| serde_json::from_str(&value).ok())
        .unwrap_or_default();
    // Deliveries expire, so that an outage that is over does not slow down decoys for ever.
    last.retain(|delivery| time - delivery.at <= KEPT_FOR);
    Ok(last)
}
