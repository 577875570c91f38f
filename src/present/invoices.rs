//! Invoices in words.

use super::{day, money};
use crate::{
    domain::{
        cards::card::{Due, InvoiceCard, InvoiceStatus, Invoices, MoreOpen, Urgency},
        money::Money,
    },
    model::{DueView, InvoiceView, PdfView},
};

pub fn due(due: Due) -> DueView {
    let amount = due.amount.as_ref().map(money::amount);
    let of = of(due.amount.as_ref());
    DueView {
        words: match due.urgency {
            Urgency::Failed => format!("A payment{of} failed."),
            Urgency::Overdue => format!("An invoice{of} is overdue."),
            Urgency::Open => format!("An invoice{of} is still open."),
        },
        button: match amount {
            Some(amount) => format!("Pay {amount}"),
            None => "Pay".to_owned(),
        },
        invoice: due.invoice,
    }
}

/// The open invoices, a line with how many more there are if the list is truncated, and the newest of the others.
pub fn list(invoices: Invoices) -> Vec<InvoiceView> {
    let open = invoices.open.into_iter().map(invoice);
    let more = invoices.more_open.map(more);
    open.chain(more).chain(invoices.last.map(invoice)).collect()
}

fn more(more: MoreOpen) -> InvoiceView {
    InvoiceView {
        words: format!("{} more open invoices, the last of", more.count),
        day: day(more.last_created),
        pdf: None,
    }
}

fn invoice(card: InvoiceCard) -> InvoiceView {
    let (words, at) = words(&card);
    InvoiceView {
        words,
        day: day(at),
        pdf: card.pdf.map(|url| PdfView {
            url,
            name: match card.number {
                Some(number) => format!("PDF of invoice {number}"),
                None => format!("PDF of the invoice of {}", day(card.created).2),
            },
        }),
    }
}

/// The words before a day, and that day.
fn words(card: &InvoiceCard) -> (String, i64) {
    let state = match &card.status {
        InvoiceStatus::Open {
            remaining,
            is_part_paid,
            paid_in,
            due_at,
            is_overdue,
        } => {
            let whole = card.total.as_ref().filter(|_| *is_part_paid);
            let left = match (remaining, paid_in) {
                (Some(left), _) => format!(" {} still to pay{}", money::amount(left), of(whole)),
                (None, Some(other)) => format!(" still to pay in {}", other.to_ascii_uppercase()),
                (None, None) => " still to pay".to_owned(),
            };
            return match due_at {
                Some(due) if *is_overdue => (format!("Open invoice:{left}, was due"), *due),
                Some(due) => (format!("Open invoice:{left}, due"), *due),
                None => (format!("Open invoice:{left},"), card.created),
            };
        }
        InvoiceStatus::Credit { credit } => {
            let words = format!("Last invoice: credit{},", of(credit.as_ref()));
            return (words, card.created);
        }
        InvoiceStatus::Paid => "paid",
        InvoiceStatus::Void => "cancelled",
        InvoiceStatus::Uncollectible => "not paid",
        InvoiceStatus::Settled => "nothing left to pay",
        InvoiceStatus::Unknown => "",
    };
    let total = card.total.as_ref().map(money::amount);
    let state = (!state.is_empty()).then(|| state.to_owned());
    let parts: Vec<_> = total.into_iter().chain(state).collect();
    (format!("Last invoice: {},", parts.join(", ")), card.created)
}

/// Formats ` of €12.00`.
fn of(amount: Option<&Money>) -> String {
    amount.map_or_else(String::new, |amount| {
        format!(" of {}", money::amount(amount))
    })
}
