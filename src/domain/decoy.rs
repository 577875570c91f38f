//! What becomes of a mail that is not sent, since nobody is under its address: all that becomes of others. It
//! takes from the limit of mails, holds one of the places for sending as long as one of the last mails
//! did, and is tried again where that one was. Otherwise somebody who asks for an address, and waits for
//! a mail of their own behind it, would see who is a customer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock,
    mail::Mailer,
    store::{self, Tx, progress},
};

/// Where the last deliveries are kept, for all processes.
const NAME: &str = "deliveries";
/// Few, so that decoys soon are as slow as a mail server that has become so.
const KEPT: usize = 16;
/// Seconds.
const KEPT_FOR: i64 = 10 * 60;
/// As long as nothing is known of the mail server.
const USUAL: Duration = Duration::from_secs(1);

/// What became of a mail that was handed to the mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    millis: u64,
    /// When it ended, in unix seconds.
    #[serde(default)]
    at: i64,
    /// It was neither taken nor refused for good.
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

/// One of the last deliveries, whichever.
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

/// Keeps a delivery with the last ones. Without one it writes as much, and changes nothing.
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
    // An outage that is over is not to be that of decoys for ever.
    last.retain(|delivery| time - delivery.at <= KEPT_FOR);
    Ok(last)
}
