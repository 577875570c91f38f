//! What has changed since the customer left for Stripe, in sentences.

use super::{methods, money, subscription};
use crate::domain::cards::card::News;

pub fn news(news: News) -> String {
    if news.is_empty() {
        return "Nothing has changed so far. What you change at Stripe can take a moment to appear here."
            .to_owned();
    }
    let mut sentences = Vec::new();
    for card in news.subscriptions {
        let view = subscription(card);
        let dates = view
            .dates
            .iter()
            .map(|(words, day)| format!("{words} {}", day.2));
        let parts: Vec<_> = std::iter::once(view.state.0).chain(dates).collect();
        sentences.push(format!("{}: {}.", view.title, parts.join(". ")));
    }
    let methods = news.payment_methods.as_ref().map(methods::words);
    sentences.extend(methods.map(|words| words + "."));
    if news.has_paid {
        sentences.push("Your payment has arrived.".to_owned());
    }
    sentences.extend(news.due.map(|due| match due.amount {
        Some(amount) => format!("{} is still to be paid.", money::amount(&amount)),
        None => "An invoice is still to be paid.".to_owned(),
    }));
    sentences.join(" ")
}
