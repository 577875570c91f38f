//! The global rate limit of sign-in mails per hour, across all addresses and clients. It protects the reputation of the shop's mail server.
//! It is proportional to the number of customers, since after a newsletter all of them may request a mail, and then another.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::App;
use crate::{
    log_throttle::LogThrottle,
    store::{self, Tx, rate_limit::Rate},
};

/// The name of the rate limit in the database, which all processes share.
const NAME: &str = "mails";
const HOUR: i64 = 60 * 60 * 1000;
const FOR_EACH_CUSTOMER: i64 = 2;
const AT_LEAST: i64 = 60;
/// Counting stops at this number of customers, so that the query stays fast.
const MOST_COUNTED: i64 = 100_000;
/// Up to this number the count is not cached, since an import may change a small number quickly.
const FEW: i64 = 10_000;
/// How long a larger count is cached.
const COUNT_EVERY: Duration = Duration::from_secs(60);
/// Seconds between two log lines.
const TELL_EVERY: i64 = 10 * 60;
/// The name under which the database keeps how many mails were dropped, and when the last one was.
const DROPPED: &str = "mails dropped";
const DAY: i64 = 24 * 60 * 60;

/// The state of the rate limit in this process: the cached count and the log throttles. Clones share it.
#[derive(Clone, Debug)]
pub struct MailLimit(Arc<Known>);

#[derive(Debug)]
struct Known {
    /// The cached number of customers, and when they were counted.
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

/// The rate limit for `count` customers.
fn of_customers(count: i64) -> i64 {
    count.saturating_mul(FOR_EACH_CUSTOMER).max(AT_LEAST)
}

/// The current rate limit: `MAILS_PER_HOUR` if it is set, otherwise by the number of customers.
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

/// Takes one mail from the rate limit. If that is reached, the inner error is the second from which the next mail may leave.
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

/// The first whole second in which the next mail may leave.
async fn free_at(tx: &mut Tx, time: i64, rate: Rate) -> store::Result<i64> {
    let free_at = store::rate_limit::free_at(tx, NAME, rate).await?;
    Ok(free_at.map_or(time, |millis| millis.div_euclid(1000)) + 1)
}

/// Whether the rate limit is reached, so that mails wait. It does not depend on the address, and so reveals nothing about it.
pub async fn is_reached(app: &App, tx: &mut Tx, time: i64) -> store::Result<bool> {
    Ok(waits_until(app, tx, time).await?.is_some())
}

/// The second until which mails wait for the rate limit, if they do.
pub async fn waits_until(app: &App, tx: &mut Tx, time: i64) -> store::Result<Option<i64>> {
    let rate = rate(app, tx).await?;
    let free_at = store::rate_limit::free_at(tx, NAME, rate).await?;
    let free_at = free_at.filter(|millis| *millis > time * 1000);
    Ok(free_at.map(|millis| millis.div_euclid(1000) + 1))
}

/// Records for the doctor that the rate limit caused a mail to a customer to be dropped.
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

/// How many mails to customers were dropped recently. The count restarts after a day without a dropped mail.
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
