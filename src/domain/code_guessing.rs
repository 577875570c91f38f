//! Codes that are guessed. A code counts only when its mail was handed over to the mail server, and wrong ones
//! have one budget, whatever addresses they are tried at. One client can spend a fifth of it. Links, which
//! nobody can guess, go on working when it is spent.
//!
//! Codes that a known device asked for are apart from it: how many mails the devices of an address get is
//! limited, each mail has five tries, and who has no such device cannot use them up.

use std::time::Duration;

use futures::FutureExt;

use super::{App, keys::Purpose};
use crate::store::{self, Tx, rate_limit::Rate};

/// Wrong codes in all: a hundred in an hour. Who guesses at all of that for a year comes upon one of 8
/// digits with a chance of less than one in a hundred.
const WRONG: Rate = Rate {
    burst: 100,
    pause: 36 * 1000,
};
/// Those of one client: a fifth of all.
const OF_CLIENT: Rate = Rate {
    burst: 20,
    pause: 180 * 1000,
};
/// The name of the allowance of all.
const NAME: &str = "codes";
/// Where it is kept when it was last spent.
const SPENT: &str = "wrong codes";
const DAY: i64 = 24 * 60 * 60;

/// A mail may be read before it is written down that it left: so long, and so often, it is looked for.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Which budget is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    Client,
    All,
}

/// The budget of a client. The database knows it by a hash alone. In `billhook dev` clients have none of their own.
#[derive(Debug)]
pub struct Share(Option<String>);

impl Share {
    /// `client` is an address or a network, or empty where it is not known: those have one share together.
    pub fn of(app: &App, client: &str) -> Share {
        let mac = || {
            hex::encode(
                app.keys
                    .mac(Purpose::Allowance, &format!("client {client}")),
            )
        };
        Share((!app.config.dev).then(|| format!("codes:{}", mac())))
    }

    /// Takes a wrong code from the client's budget and from that of all, or says which is spent.
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

    /// Takes as many again: a code that is compared with several sign-ins is wrong several times.
    pub async fn take_more(&self, tx: &mut Tx, time: i64, count: usize) -> store::Result<()> {
        for _ in 0..count {
            if let Some(name) = &self.0 {
                store::rate_limit::take(tx, name, time * 1000, OF_CLIENT).await?;
            }
            store::rate_limit::take(tx, NAME, time * 1000, WRONG).await?;
        }
        Ok(())
    }

    /// Gives it back: the code was right.
    pub async fn give_back(&self, tx: &mut Tx) -> store::Result<()> {
        if let Some(name) = &self.0 {
            store::rate_limit::give_back(tx, name, OF_CLIENT).await?;
        }
        store::rate_limit::give_back(tx, NAME, WRONG).await
    }
}

/// Says in the log, now and then, that codes are refused.
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

/// Whether the budget was spent in the last day.
pub async fn were_spent(tx: &mut Tx, time: i64) -> store::Result<bool> {
    let spent = store::progress::get_since(tx, SPENT, time - DAY).await?;
    Ok(spent.is_some())
}

/// Whether the code of this sign-in counts. Only for a right one: to wait tells nothing to who does not know it.
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
