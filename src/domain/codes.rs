//! Codes that are guessed. A code counts only when its mail was handed over to the mail server, and wrong ones
//! have one budget, whatever addresses they are tried at. Links, which nobody can guess, go on working
//! when it is spent.

use std::time::Duration;

use futures::FutureExt;

use super::App;
use crate::store::{self, Tx, allowance::Rate};

/// Wrong codes in all: a hundred in an hour. Who guesses at all of that for a year comes upon one of 8
/// digits with a chance of less than one in a hundred.
const WRONG: Rate = Rate {
    burst: 100,
    pause: 36 * 1000,
};
/// The name of the allowance.
const NAME: &str = "codes";
/// Where it is kept when it was last spent.
const SPENT: &str = "wrong codes";
const DAY: i64 = 24 * 60 * 60;

/// A mail may be read before it is written down that it left: so long, and so often, it is looked for.
const LOOKS: u32 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Takes a wrong code from the budget; whether there was one.
pub async fn take(tx: &mut Tx, time: i64) -> store::Result<bool> {
    if store::allowance::take(tx, NAME, time * 1000, WRONG).await? {
        return Ok(true);
    }
    store::progress::set(tx, SPENT, "", time).await?;
    Ok(false)
}

/// Takes as many again: a code that is compared with several sign-ins is wrong several times.
pub async fn take_more(tx: &mut Tx, time: i64, count: usize) -> store::Result<()> {
    for _ in 0..count {
        store::allowance::take(tx, NAME, time * 1000, WRONG).await?;
    }
    Ok(())
}

/// Gives it back: the code was right, or there was none to compare it with.
pub async fn give_back(tx: &mut Tx) -> store::Result<()> {
    store::allowance::give_back(tx, NAME, WRONG).await
}

/// Says in the log, now and then, that codes are refused.
pub fn tell(app: &App) {
    if let Some(count) = app.clients.count_refused_codes(app.clock.now()) {
        tracing::warn!(
            count,
            limit = WRONG.burst,
            "more wrong codes in an hour than are allowed in all: somebody is guessing. No code is taken until there are fewer; links work"
        );
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
