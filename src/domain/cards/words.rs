//! What a card says in words: states and dates.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::invoices::{Due, Urgency};
use crate::{
    model::{Day, State, SubscriptionView},
    store::{
        customer::Customer,
        mirror::{Subscription, SubscriptionItem},
    },
};

pub fn has_ended(row: &Subscription) -> bool {
    row.ended_at.is_some()
        || matches!(
            row.status.as_deref(),
            Some("canceled" | "incomplete_expired")
        )
}

/// When it will end, where that is decided: a subscription with flexible billing says only
/// `cancel_at`.
pub fn will_end(row: &Subscription, items: &[&SubscriptionItem]) -> Option<i64> {
    if has_ended(row) {
        return None;
    }
    let last_period = items
        .iter()
        .filter_map(|item| item.current_period_end)
        .max();
    row.cancel_at
        .or_else(|| (row.cancel_at_period_end == 1).then_some(last_period)?)
}

/// Whether a payment for it failed, or is late.
pub fn is_late(row: &Subscription) -> bool {
    matches!(row.status.as_deref(), Some("past_due" | "unpaid"))
}

/// Whether it is no more than an attempt to subscribe that nobody went through with.
pub fn is_attempt(row: &Subscription) -> bool {
    matches!(
        row.status.as_deref(),
        Some("incomplete" | "incomplete_expired")
    )
}

/// Whether it is paid by invoices that the customer is sent: no saved card is charged, and none can fail.
pub fn is_by_invoice(row: &Subscription) -> bool {
    row.collection_method.as_deref() == Some("send_invoice")
}

fn first_period_end(items: &[&SubscriptionItem]) -> Option<i64> {
    let ends = items.iter().filter_map(|item| item.current_period_end);
    ends.min()
}

/// Whether it goes on being charged before it ends: a fixed term that is paid in instalments.
fn is_fixed_term(items: &[&SubscriptionItem], will_end: Option<i64>) -> bool {
    let next = first_period_end(items);
    next.zip(will_end).is_some_and(|(next, end)| next < end)
}

/// When the subscription is charged next, if that is known and it has not ended by then.
pub fn next_charge(
    row: &Subscription,
    items: &[&SubscriptionItem],
    will_end: Option<i64>,
    now: i64,
) -> Option<i64> {
    let trial_end = row.trial_end.filter(|end| *end > now);
    let next = trial_end.or_else(|| first_period_end(items))?;
    will_end.is_none_or(|end| next < end).then_some(next)
}

pub fn state(
    row: &Subscription,
    items: &[&SubscriptionItem],
    will_end: Option<i64>,
    now: i64,
) -> State {
    let good = |words: &str| (words.to_owned(), false);
    let bad = |words: &str| (words.to_owned(), true);
    let (words, is_bad) = match row.status.as_deref() {
        _ if has_ended(row) => good("Ended"),
        Some("past_due" | "unpaid") if is_by_invoice(row) => bad("Invoice overdue"),
        Some("past_due" | "unpaid") => bad("Payment failed"),
        Some("incomplete") => bad("Waiting for payment"),
        Some("paused") => good("Paused"),
        _ if row.pause_behavior.is_some() => good("Paused"),
        _ if will_end.is_some() && !is_fixed_term(items, will_end) => good("Ending"),
        Some("trialing") if row.trial_end.is_none_or(|end| end > now) => good("Trial"),
        Some("active" | "trialing") => good("Active"),
        // A word that Stripe has learnt since.
        Some(other) => (other.replace('_', " "), false),
        None => good("Active"),
    };
    State(words, is_bad)
}

pub fn dates(
    row: &Subscription,
    items: &[&SubscriptionItem],
    will_end: Option<i64>,
    now: i64,
) -> Vec<(String, Day)> {
    let mut dates = Vec::new();
    let mut say = |words: &str, at: Option<i64>| {
        dates.extend(at.map(|at| (words.to_owned(), day(at))));
    };
    if has_ended(row) {
        say("Ended on", row.ended_at.or(row.canceled_at));
        return dates;
    }
    let status = row.status.as_deref();
    let is_paused = status == Some("paused") || row.pause_behavior.is_some();
    let in_trial = status == Some("trialing");
    if in_trial {
        say("Trial until", row.trial_end.filter(|end| *end > now));
    }
    if is_paused {
        say("Resumes on", row.pause_resumes_at);
    }
    let is_charged = status == Some("active") && !is_paused;
    let goes_on = will_end.is_none() || is_fixed_term(items, will_end);
    if is_charged && goes_on {
        say("Renews on", first_period_end(items));
    }
    say("Ends on", will_end);
    dates
}

/// The record's state is that of the subscription that needs somebody most, or of what is late.
pub fn overall(
    customer: &Customer,
    subscriptions: &[SubscriptionView],
    is_running: bool,
    due: Option<&Due>,
) -> State {
    let bad = subscriptions
        .iter()
        .find(|subscription| subscription.state.1);
    match bad {
        Some(subscription) => return subscription.state.clone(),
        None => match due.map(|due| due.urgency) {
            Some(Urgency::Failed) => return State("Payment failed".to_owned(), true),
            Some(Urgency::Overdue) => return State("Invoice overdue".to_owned(), true),
            _ if customer.delinquent != 0 => {
                return State("Payment overdue".to_owned(), true);
            }
            _ => {}
        },
    }
    let words = match is_running {
        true => "Up to date",
        false => "No plan",
    };
    State(words.to_owned(), false)
}

/// A day in UTC; empty texts where the number is no time.
pub fn day(at: i64) -> Day {
    let text = |format: &[BorrowedFormatItem<'_>]| {
        OffsetDateTime::from_unix_timestamp(at)
            .ok()
            .and_then(|time| time.format(format).ok())
            .unwrap_or_default()
    };
    Day(
        at,
        text(format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
        )),
        text(format_description!(
            "[day padding:none] [month repr:long] [year]"
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_in_utc_and_nonsense_is_nothing() {
        assert_eq!(day(1_804_032_000).2, "3 March 2027");
        assert_eq!(day(1_804_032_000).1, "2027-03-03T00:00:00Z");
        assert_eq!(day(i64::MAX).2, "");
    }
}
