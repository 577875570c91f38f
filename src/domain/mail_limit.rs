//! How many sign-in mails may leave in an hour, whoever asks. It protects the reputation of the shop's mail
//! server, and follows the number of customers: after a newsletter all of them may ask, and ask again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::App;
use crate::{
    log_throttle::LogThrottle,
    store::{self, Tx, rate_limit::Rate},
};

/// The name of the allowance, which all processes share.
const NAME: &str = "mails";
const HOUR: i64 = 60 * 60 * 1000;
const FOR_EACH_CUSTOMER: i64 = 2;
const AT_LEAST: i64 = 60;
/// Customers are not counted beyond this.
const MOST_COUNTED: i64 = 100_000;
/// So few are counted whenever it matters: an import makes many of none.
const FEW: i64 = 10_000;
/// How long a larger number holds.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// Seconds between two lines in the log.
const TELL_EVERY: i64 = 10 * 60;
/// Where it is kept how many mails were dropped, and when the last one was.
const DROPPED: &str = "mails dropped";
const DAY: i64 = 24 * 60 * 60;

/// What a process knows of the limit. Clones share it.
#[derive(Clone, Debug)]
pub struct MailLimit(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// How many customers there were, and when.
    customers: Mutex<Option<(i64, Duration)>>,
    waiting: LogThrottle,
    dropped: LogThrottle,
}

impl Default for MailLimit {
    fn default() -> MailLimit {
        MailLimit(Arc::new(Known {
            customers: Mutex::default(),
            waiting: LogThrottle::new(TELL_EVERY),
            dropped: LogThrottle::new(TELL_EVERY),
        }))
    }
}

/// What holds for so many customers.
fn of_customers(count: i64) -> i64 {
    count.saturating_mul(FOR_EACH_CUSTOMER).max(AT_LEAST)
}

/// The limit as it is now.
pub async fn rate(app: &App, tx: &mut Tx) -> store::Result<Rate> {
    let burst = match app.config.mails_per_hour {
        Some(number) => number,
        None => of_customers(customers(app, tx).await?),
    };
    Ok(Rate {
        burst,
        pause: HOUR / burst.max(1),
    })
}

async fn customers(app: &App, tx: &mut Tx) -> store::Result<i64> {
    let now = app.clock.steady();
    let known = &app.mail_limit.0.customers;
    let counted = *known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((count, at)) = counted
        && count > FEW
        && now.saturating_sub(at) < COUNT_EVERY
    {
        return Ok(count);
    }
    let count = store::customer::count(tx, app.config.livemode(), MOST_COUNTED).await?;
    *known.lock().unwrap_or_else(PoisonError::into_inner) = Some((count, now));
    Ok(count)
}

/// Takes one mail from the limit. Where there is none left: the second from which on there is.
pub async fn take(app: &App, tx: &mut Tx, time: i64) -> store::Result<Result<(), i64>> {
    let rate = rate(app, tx).await?;
    if store::rate_limit::take(tx, NAME, time * 1000, rate).await? {
        return Ok(Ok(()));
    }
    if let Some(count) = app.mail_limit.0.waiting.count(app.clock.now()) {
        tracing::warn!(
            count,
            limit = rate.burst,
            "more mails than MAILS_PER_HOUR: they wait, and are dropped where their links expire before their turn"
        );
    }
    Ok(Err(free_at(tx, time, rate).await?))
}

/// The first whole second of a new allowance.
async fn free_at(tx: &mut Tx, time: i64, rate: Rate) -> store::Result<i64> {
    let free_at = store::rate_limit::free_at(tx, NAME, rate).await?;
    Ok(free_at.map_or(time, |millis| millis.div_euclid(1000)) + 1)
}

/// Whether mails have to wait for their turn at the moment. It depends on no address.
pub async fn is_reached(app: &App, tx: &mut Tx, time: i64) -> store::Result<bool> {
    Ok(waits_until(app, tx, time).await?.is_some())
}

/// The second until which mails have to wait for their turn, if they have to.
pub async fn waits_until(app: &App, tx: &mut Tx, time: i64) -> store::Result<Option<i64>> {
    let rate = rate(app, tx).await?;
    let free_at = store::rate_limit::free_at(tx, NAME, rate).await?;
    let free_at = free_at.filter(|millis| *millis > time * 1000);
    Ok(free_at.map(|millis| millis.div_euclid(1000) + 1))
}

/// Keeps for the doctor that a mail to a customer was dropped for the limit.
pub async fn note_dropped(app: &App, tx: &mut Tx, time: i64) -> store::Result<()> {
    if let Some(count) = app.mail_limit.0.dropped.count(app.clock.now()) {
        tracing::error!(
            count,
            "mails were dropped for MAILS_PER_HOUR: customers who asked for a link got none. Set it higher, as far as the mail server allows"
        );
    }
    let before = dropped(tx, time).await?;
    let count = before.saturating_add(1).to_string();
    store::progress::set(tx, DROPPED, &count, time).await
}

/// How many mails to customers were dropped lately: in a row of days, the last of which is not over.
pub async fn dropped(tx: &mut Tx, time: i64) -> store::Result<i64> {
    let kept = store::progress::get_since(tx, DROPPED, time - DAY).await?;
    Ok(kept.and_then(|count| count.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_follows_the_number_of_customers() {
        for (customers, limit) in [(0, 60), (30, 60), (45, 90), (5_000, 10_000)] {
            assert_eq!(of_customers(customers), limit, "{customers}");
        }
    }
}
