//! The status of a subscription and of its customer, and the dates of what happens next.

use super::card::{
    CustomerStatus, DateKind, SubscriptionCard, SubscriptionDate, SubscriptionStatus, Urgency,
};
use crate::store::{
    customer::Customer,
    mirror::{Subscription, SubscriptionItem},
};

pub fn has_ended(row: &Subscription) -> bool {
    row.ended_at.is_some()
        || matches!(
            row.status.as_deref(),
            Some("canceled" | "incomplete_expired")
        )
}

/// When it will end, where that is decided. A subscription with flexible billing has only `cancel_at`.
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

/// Whether a payment for it failed or is overdue.
pub fn is_late(row: &Subscription) -> bool {
    matches!(row.status.as_deref(), Some("past_due" | "unpaid"))
}

/// Whether it is only an attempt to subscribe that was never completed.
pub fn is_attempt(row: &Subscription) -> bool {
    matches!(
        row.status.as_deref(),
        Some("incomplete" | "incomplete_expired")
    )
}

/// Whether it is paid by invoices that are sent to the customer: no saved card is charged, so no charge can fail.
pub fn is_by_invoice(row: &Subscription) -> bool {
    row.collection_method.as_deref() == Some("send_invoice")
}

fn first_period_end(items: &[&SubscriptionItem]) -> Option<i64> {
    let ends = items.iter().filter_map(|item| item.current_period_end);
    ends.min()
}

/// Whether it is charged again before it ends: a fixed term that is paid in instalments.
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

pub fn status(
    row: &Subscription,
    items: &[&SubscriptionItem],
    will_end: Option<i64>,
    now: i64,
) -> SubscriptionStatus {
    match row.status.as_deref() {
        _ if has_ended(row) => SubscriptionStatus::Ended,
        Some("past_due" | "unpaid") if is_by_invoice(row) => SubscriptionStatus::InvoiceOverdue,
        Some("past_due" | "unpaid") => SubscriptionStatus::PaymentFailed,
        Some("incomplete") => SubscriptionStatus::Incomplete,
        Some("paused") => SubscriptionStatus::Paused,
        _ if row.pause_behavior.is_some() => SubscriptionStatus::Paused,
        _ if will_end.is_some() && !is_fixed_term(items, will_end) => SubscriptionStatus::Ending,
        Some("trialing") if row.trial_end.is_none_or(|end| end > now) => {
            SubscriptionStatus::Trialing
        }
        Some("active" | "trialing") | None => SubscriptionStatus::Active,
        Some(other) => SubscriptionStatus::Other(other.to_owned()),
    }
}

pub fn dates(
    row: &Subscription,
    items: &[&SubscriptionItem],
    will_end: Option<i64>,
    now: i64,
) -> Vec<SubscriptionDate> {
    let mut dates = Vec::new();
    let mut add = |kind, at: Option<i64>| {
        dates.extend(at.map(|at| SubscriptionDate { kind, at }));
    };
    if has_ended(row) {
        add(DateKind::Ended, row.ended_at.or(row.canceled_at));
        return dates;
    }
    let status = row.status.as_deref();
    let is_paused = status == Some("paused") || row.pause_behavior.is_some();
    let in_trial = status == Some("trialing");
    if in_trial {
        add(DateKind::TrialEnds, row.trial_end.filter(|end| *end > now));
    }
    if is_paused {
        add(DateKind::Resumes, row.pause_resumes_at);
    }
    let is_charged = status == Some("active") && !is_paused;
    let goes_on = will_end.is_none() || is_fixed_term(items, will_end);
    if is_charged && goes_on {
        add(DateKind::Renews, first_period_end(items));
    }
    add(DateKind::Ends, will_end);
    dates
}

/// The customer's status: that of the subscription that needs attention most, or of an overdue payment.
pub fn overall(
    customer: &Customer,
    subscriptions: &[SubscriptionCard],
    is_running: bool,
    due: Option<Urgency>,
) -> CustomerStatus {
    let urgent = subscriptions.iter().find_map(|card| card.status.urgent());
    match (urgent, due) {
        (Some(status), _) => status,
        (None, Some(Urgency::Failed)) => CustomerStatus::PaymentFailed,
        (None, Some(Urgency::Overdue)) => CustomerStatus::InvoiceOverdue,
        _ if customer.delinquent != 0 => CustomerStatus::PaymentOverdue,
        _ if is_running => CustomerStatus::UpToDate,
        _ => CustomerStatus::NoPlan,
    }
}
