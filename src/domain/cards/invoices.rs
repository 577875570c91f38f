//! The invoices on a card, and which of them should be paid now.

use super::{
    super::money,
    Shelf,
    words::{day, is_attempt, is_by_invoice},
};
use crate::{
    model::{DueView, InvoiceView, PdfView},
    store::{
        customer::Customer,
        mirror::{Invoice, Subscription},
    },
};

/// Open invoices that a card lists. All of them count; more than these are told by their number.
const MOST_LISTED: usize = 5;
/// Seconds after which no payment of an invoice is on its way any more: a bank may take some days.
const LONG: i64 = 14 * 24 * 60 * 60;

/// An open invoice that should be paid now.
pub struct Due {
    pub view: DueView,
    pub urgency: Urgency,
}

impl Shelf {
    /// The open invoices, the oldest first, and then the newest of the others.
    pub fn invoices(&self, customer: &Customer, now: i64) -> Vec<InvoiceView> {
        let own: Vec<_> = self.invoices_of(customer).collect();
        let open: Vec<_> = own.iter().rev().filter(|row| is_to_pay(row)).collect();
        let last = own.iter().find(|row| !is_to_pay(row));
        let mut views: Vec<_> = open
            .iter()
            .take(MOST_LISTED)
            .map(|row| self.view(row, now))
            .collect();
        if let (Some(rest @ 1..), Some(last_open)) =
            (open.len().checked_sub(MOST_LISTED), open.last())
        {
            views.push(InvoiceView {
                words: format!("{rest} more open invoices, the last of"),
                day: day(last_open.created),
                pdf: None,
            });
        }
        views.extend(last.map(|row| self.view(row, now)));
        views
    }

    /// What to pay first: what is late, the oldest first; else an invoice that nobody charges.
    pub fn due(&self, customer: &Customer, now: i64) -> Option<Due> {
        let payable = self.invoices_of(customer).filter(|row| is_to_pay(row));
        let mut candidates: Vec<_> = payable
            .filter_map(|row| Some((self.urgency(customer, row, now)?, row)))
            .collect();
        candidates.sort_by_key(|(urgency, row)| (*urgency, row.created));
        let (urgency, row) = candidates.into_iter().next()?;
        let amount = remaining(row).and_then(|minor| self.amount(row, minor));
        let of = amount.as_ref().map(|amount| format!(" of {amount}"));
        let of = of.unwrap_or_default();
        Some(Due {
            view: DueView {
                invoice: row.id.clone(),
                words: match urgency {
                    Urgency::Failed => format!("A payment{of} failed."),
                    Urgency::Overdue => format!("An invoice{of} is overdue."),
                    Urgency::Open => format!("An invoice{of} is still open."),
                },
                button: match amount {
                    Some(amount) => format!("Pay {amount}"),
                    None => "Pay".to_owned(),
                },
            },
            urgency,
        })
    }

    fn invoices_of(&self, customer: &Customer) -> impl Iterator<Item = &Invoice> {
        let shown: Vec<_> = self
            .shown(customer)
            .into_iter()
            .map(|row| &row.id)
            .collect();
        self.invoices
            .iter()
            .filter(|row| row.customer_id.as_ref() == Some(&customer.id))
            .filter(move |row| {
                // Nobody owes what they never went through with.
                let of = self.subscription_of(row);
                of.is_none_or(|of| !is_attempt(of) || shown.contains(&&of.id))
            })
    }

    /// `None` for an invoice whose payment is on its way: it is tried soon, or a bank is at it.
    fn urgency(&self, customer: &Customer, row: &Invoice, now: i64) -> Option<Urgency> {
        if row.due_date.is_some_and(|due| due < now) {
            return Some(Urgency::Overdue);
        }
        let of = self.subscription_of(row);
        let is_sent = row.collection_method.as_deref() == Some("send_invoice")
            || row.collection_method.is_none() && of.is_some_and(is_by_invoice);
        if is_sent {
            return Some(Urgency::Open);
        }
        if self.in_process.contains(&customer.id) && row.created > now - LONG {
            return None;
        }
        let was_tried = row.attempt_count.is_some_and(|count| count > 0);
        match of.and_then(|of| of.status.as_deref()) {
            Some("past_due" | "unpaid") => Some(Urgency::Failed),
            Some("incomplete") => Some(Urgency::Open),
            _ => was_tried.then_some(Urgency::Failed),
        }
    }

    fn view(&self, row: &Invoice, now: i64) -> InvoiceView {
        let amount = |minor: Option<i64>| minor.and_then(|minor| self.amount(row, minor));
        let (words, at) = if is_to_pay(row) {
            let left = remaining(row);
            let is_part = left.is_some() && left != row.total && row.amount_paid > Some(0);
            let whole = amount(row.total).filter(|_| is_part);
            let whole = whole.map_or_else(String::new, |whole| format!(" of {whole}"));
            let words = match (amount(left), self.paid_in(row)) {
                (Some(left), _) => format!("Open invoice: {left} still to pay{whole}"),
                (None, Some(other)) => {
                    format!(
                        "Open invoice: still to pay in {}",
                        other.to_ascii_uppercase()
                    )
                }
                (None, None) => "Open invoice: still to pay".to_owned(),
            };
            match row.due_date {
                Some(due) if due < now => (format!("{words}, was due"), due),
                Some(due) => (format!("{words}, due"), due),
                None => (format!("{words},"), row.created),
            }
        } else {
            let parts: Vec<_> = match row.total {
                Some(total) if total < 0 => {
                    let credit = amount(total.checked_neg()).map(|amount| format!(" of {amount}"));
                    vec![format!("credit{}", credit.unwrap_or_default())]
                }
                total => {
                    let state = match row.status.as_deref() {
                        Some("paid") => "paid",
                        Some("void") => "cancelled",
                        Some("uncollectible") => "not paid",
                        Some("open") => "nothing left to pay",
                        _ => "",
                    };
                    amount(total)
                        .into_iter()
                        .chain([state.to_owned()])
                        .collect()
                }
            };
            let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            (format!("Last invoice: {},", parts.join(", ")), row.created)
        };
        let url = row.invoice_pdf.clone().filter(|url| is_web_address(url));
        InvoiceView {
            words,
            day: day(at),
            pdf: url.map(|url| PdfView {
                name: match &row.number {
                    Some(number) => format!("PDF of invoice {number}"),
                    None => format!("PDF of the invoice of {}", day(row.created).2),
                },
                url,
            }),
        }
    }

    /// `None` where the customer pays in another currency: Stripe does not say on the invoice how much.
    fn amount(&self, row: &Invoice, minor: i64) -> Option<String> {
        let currency = row.currency.as_deref()?;
        let is_own = self.paid_in(row).is_none();
        is_own.then(|| money::amount(minor, currency))
    }

    /// The currency that the customer pays in, if it is another than the invoice's.
    fn paid_in(&self, row: &Invoice) -> Option<&str> {
        let presentment = self.subscription_of(row)?.presentment_currency.as_deref()?;
        (row.currency.as_deref() != Some(presentment)).then_some(presentment)
    }

    fn subscription_of(&self, row: &Invoice) -> Option<&Subscription> {
        let id = row.subscription_id.as_ref()?;
        self.subscriptions.iter().find(|of| of.id == *id)
    }
}

/// The most urgent first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    Failed,
    Overdue,
    Open,
}

/// Whether something is left to pay on it, as far as that is known.
fn is_to_pay(row: &Invoice) -> bool {
    row.status.as_deref() == Some("open") && remaining(row).is_none_or(|left| left > 0)
}

/// What is still to pay, in minor units. A balance, a credit note or a part payment makes it less than the
/// total.
fn remaining(row: &Invoice) -> Option<i64> {
    row.amount_remaining
        .or_else(|| {
            Some(
                row.amount_due?
                    .saturating_sub(row.amount_paid.unwrap_or_default()),
            )
        })
        .or(row.total)
}

/// Whether a link may lead there: nothing that runs in our page.
fn is_web_address(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| {
        url.scheme() == "https" || url.scheme() == "http" && crate::config::is_loopback(&url)
    })
}
