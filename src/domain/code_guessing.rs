//! Limits brute-force guessing of sign-in codes. A code counts only once its mail was handed over to the mail server. Wrong codes share
//! one global rate limit across all addresses, and one client can spend at most a fifth of it. When the rate limit is reached, no code
//! is accepted. Links still work, since their tokens cannot be guessed.
//!
//! Codes that a known device requested are exempt. Other limits bound them: the rate limit of mails to the known devices of an
//! address, and five attempts for each mail. An attacker without such a device cannot use these up (denial of service).

use std::time::Duration;

use futures::FutureExt;

use super::{App, keys::Purpose};
use crate::store::{self, Tx, rate_limit::Rate};

/// The global rate limit of wrong codes: 100 per hour. An attacker who uses all of them for a year guesses an 8-digit code with a
/// probability below 1 %.
const WRONG: Rate = Rate {
    burst: 100,
    pause: 36 * 1000,
};
/// The rate limit of wrong codes by client: a fifth of the global one.
const OF_CLIENT: Rate = Rate {
    burst: 20,
    pause: 180 * 1000,
};
/// The name under which the database keeps the global rate limit.
const NAME: &str = "codes";
/// The name under which the database keeps when the global rate limit was last reached.
const SPENT: &str = "wrong codes";
const DAY: i64 = 24 * 60 * 60;

/// How often [`counts`] polls for the handover, and how long it waits in between. A visitor may read a mail before the outbox has
/// recorded that it was sent.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Which rate limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    Client,
    All,
}

/// The rate limit of one client. The database stores only an HMAC of the client. `None` in `billhook dev`, which has only the global one.
#[derive(Debug)]
pub struct Share(Option<String>);

impl Share {
    /// `client` is an IP address or a network, or empty if it is not known. All unknown clients share one rate limit.
    pub fn of(app: &App, client: &str) -> Share {
        let mac = || {
            hex::encode(
                app.keys
                    .mac(Purpose::Allowance, &format!("client {client}")),
            )
        };
        Share((!app.config.dev).then(|| format!("codes:{}", mac())))
    }

    /// Takes one wrong code from the rate limits of the client and of all, or says which of them is reached.
    pub async fn take(&self, tx: &mut Tx, time: i64) -> store::Result<Result<(), Spent>> {
        let millis = time * 1000;
        if let Some(name) = &self.0
            && !store::rate_limit::take(tx, name, millis, OF_CLIENT).await?
        {
            return Ok(Err(Spent::Client));
        }
        if store::rate_limit::take(tx, NAME, millis, WRONG).await? {
            return Ok(Ok(()));
        }
        if let Some(name) = &self.0 {
            store::rate_limit::give_back(tx, name, OF_CLIENT).await?;
        }
        store::progress::set(tx, SPENT, "", time).await?;
        Ok(Err(Spent::All))
    }

    /// Takes `count` more wrong codes: a code that was compared with several sign-ins was several guesses.
    pub async fn take_more(&self, tx: &mut Tx, time: i64, count: usize) -> store::Result<()> {
        for _ in 0..count {
            if let Some(name) = &self.0 {
                store::rate_limit::take(tx, name, time * 1000, OF_CLIENT).await?;
            }
            store::rate_limit::take(tx, NAME, time * 1000, WRONG).await?;
        }
        Ok(())
    }

    /// Gives one wrong code back, since the code was right.
    pub async fn give_back(&self, tx: &mut Tx) -> store::Result<()> {
        if let Some(name) = &self.0 {
            store::rate_limit::give_back(tx, name, OF_CLIENT).await?;
        }
        store::rate_limit::give_back(tx, NAME, WRONG).await
    }
}

/// Logs, throttled, that codes are refused.
pub fn tell(app: &App, spent: Spent, client: &str) {
    let now = app.clock.now();
    match spent {
        Spent::All => {
            if let Some(count) = app.clients.count_refused_codes(now) {
                tracing::warn!(
                    count,
                    limit = WRONG.burst,
                    "more wrong codes in an hour than are allowed in all: somebody is guessing. No code is taken until there are fewer, but from browsers that signed in with the address before; links work"
                );
            }
        }
        Spent::Client => {
            if let Some(count) = app.clients.count_codes_of_client(now) {
                tracing::warn!(
                    count,
                    client,
                    limit = OF_CLIENT.burst,
                    "more wrong codes in an hour than one client may type: none of its codes is taken until there are fewer; links work"
                );
            }
        }
    }
}

/// Whether the global rate limit was reached in the last day.
pub async fn were_spent(tx: &mut Tx, time: i64) -> store::Result<bool> {
    let spent = store::progress::get_since(tx, SPENT, time - DAY).await?;
    Ok(spent.is_some())
}

/// Whether the code of this sign-in counts. Call it for a right code only. The wait is no timing side channel then: only a caller
/// who knows the code can notice it.
pub async fn counts(app: &App, id: &str) -> store::Result<bool> {
    for _ in 0..LOOKS {
        let sign_in = id.to_owned();
        let look = app.store.look(move |tx| {
            async move { store::sign_in::is_handed_over(tx, &sign_in).await }.boxed()
        });
        if look.await? {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(false)
}
