//! What a card says in words: states, dates, the payment method and the last invoice.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use super::money;
use crate::{
    model::{Day, InvoiceView, State, SubscriptionView},
    store::{
        customer::Customer,
        mirror::{Invoice, PaymentMethod, Subscription, SubscriptionItem},
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

pub fn state(row: &Subscription, will_end: Option<i64>, now: i64) -> State {
    let good = |words: &str| (words.to_owned(), false);
    let bad = |words: &str| (words.to_owned(), true);
    let (words, is_bad) = match row.status.as_deref() {
        _ if has_ended(row) => good("Ended"),
        Some("past_due" | "unpaid") => bad("Payment failed"),
        Some("incomplete") => bad("Waiting for payment"),
        Some("paused") => good("Paused"),
        _ if row.pause_behavior.is_some() => good("Paused"),
        _ if will_end.is_some() => good("Ending"),
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
    let next = items
        .iter()
        .filter_map(|item| item.current_period_end)
        .min();
    match will_end {
        Some(at) => say("Ends on", Some(at)),
        None if status == Some("active") && !is_paused => say("Renews on", next),
        None => {}
    }
    dates
}

/// The record's state is that of the subscription that needs somebody most.
pub fn overall(customer: &Customer, subscriptions: &[SubscriptionView]) -> State {
    let bad = subscriptions
        .iter()
        .find(|subscription| subscription.state.1);
    match (bad, customer.delinquent) {
        (Some(subscription), _) => subscription.state.clone(),
        (None, 0) => State("Up to date".to_owned(), false),
        (None, _) => State("Payment overdue".to_owned(), true),
    }
}

pub fn invoice_in_words(row: &Invoice) -> InvoiceView {
    let currency = row.currency.as_deref().unwrap_or_default();
    let amount = row.total.map(|total| money::amount(total, currency));
    let state = match row.status.as_deref() {
        Some("paid") => "paid",
        Some("open") => "not paid yet",
        Some("void") => "cancelled",
        Some("uncollectible") => "not paid",
        _ => "",
    };
    let parts = amount.into_iter().chain([state.to_owned()]);
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    let pdf = row.invoice_pdf.clone().filter(|url| is_web_address(url));
    InvoiceView(parts.join(", "), day(row.created), pdf)
}

/// Whether a link may lead there: nothing that runs in our page.
fn is_web_address(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| {
        url.scheme() == "https" || url.scheme() == "http" && crate::config::is_loopback(&url)
    })
}

pub fn method_in_words(row: &PaymentMethod) -> String {
    let name = match row.brand.as_deref().or(row.r#type.as_deref()) {
        Some("visa") => "Visa",
        Some("mastercard" | "MasterCard") => "Mastercard",
        Some("amex") => "American Express",
        Some("diners") => "Diners Club",
        Some("jcb") => "JCB",
        Some("unionpay") => "UnionPay",
        Some("sepa_debit") => "SEPA direct debit",
        Some("us_bank_account" | "bank_account") => "Bank account",
        Some("paypal") => "PayPal",
        Some("link") => "Link",
        Some("card") | None => "Card",
        Some(other) => other,
    };
    let last4 = row
        .last4
        .as_ref()
        .map(|digits| format!(" ending in {digits}"));
    let until = row
        .exp_month
        .zip(row.exp_year)
        .map(|(month, year)| format!(", valid until {month:02}/{year}"));
    let parts = [Some(name.to_owned()), last4, until];
    parts.into_iter().flatten().collect()
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

    #[test]
    fn payment_methods_and_invoices_in_words() {
        let card = PaymentMethod {
            brand: Some("visa".to_owned()),
            last4: Some("4242".to_owned()),
            exp_month: Some(4),
            exp_year: Some(2030),
            ..PaymentMethod::default()
        };
        assert_eq!(
            method_in_words(&card),
            "Visa ending in 4242, valid until 04/2030"
        );
        let invoice = |status: &str, pdf: &str| {
            invoice_in_words(&Invoice {
                total: Some(1200),
                currency: Some("jpy".to_owned()),
                status: Some(status.to_owned()),
                invoice_pdf: Some(pdf.to_owned()),
                ..Invoice::default()
            })
        };
        let paid = invoice("paid", "https://pay.stripe.com/invoice/x/pdf");
        assert_eq!((paid.0.as_str(), paid.2.is_some()), ("¥1,200, paid", true));
        assert_eq!(invoice("open", "javascript:alert(1)").2, None);
    }
}
