//! States and dates in words.

use super::day;
use crate::{
    domain::cards::card::{CustomerStatus, DateKind, SubscriptionCard, SubscriptionStatus},
    model::{Day, State},
};

pub fn of_customer(status: CustomerStatus) -> State {
    let words = match status {
        CustomerStatus::PaymentFailed => "Payment failed",
        CustomerStatus::InvoiceOverdue => "Invoice overdue",
        CustomerStatus::Incomplete => "Waiting for payment",
        CustomerStatus::PaymentOverdue => "Payment overdue",
        CustomerStatus::UpToDate => "Up to date",
        CustomerStatus::NoPlan => "No plan",
    };
    State(words.to_owned(), status.needs_attention())
}

pub fn of_subscription(status: &SubscriptionStatus) -> State {
    let words = match status {
        SubscriptionStatus::Active => "Active",
        SubscriptionStatus::Trialing => "Trial",
        SubscriptionStatus::Paused => "Paused",
        SubscriptionStatus::Ending => "Ending",
        SubscriptionStatus::Ended => "Ended",
        SubscriptionStatus::PaymentFailed => "Payment failed",
        SubscriptionStatus::InvoiceOverdue => "Invoice overdue",
        SubscriptionStatus::Incomplete => "Waiting for payment",
        SubscriptionStatus::Other(word) => return State(word.replace('_', " "), false),
    };
    State(words.to_owned(), status.urgent().is_some())
}

/// The dates of a subscription with their labels, and when its discount ends.
pub fn dates(card: &SubscriptionCard) -> Vec<(String, Day)> {
    let own = card.dates.iter().map(|date| {
        let words = match date.kind {
            DateKind::Ended => "Ended on",
            DateKind::TrialEnds => "Trial until",
            DateKind::Resumes => "Resumes on",
            DateKind::Renews => "Renews on",
            DateKind::Ends => "Ends on",
        };
        (words, date.at)
    });
    let discount = card.discount.as_ref().and_then(|discount| discount.until);
    own.chain(discount.map(|at| ("Discount until", at)))
        .map(|(words, at)| (words.to_owned(), day(at)))
        .collect()
}
