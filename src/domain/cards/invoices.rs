//! The invoices on a card, and which of them should be paid now.

use super::{
    super::money::Money,
    CardRows,
    card::{Due, InvoiceCard, InvoiceStatus, Invoices, MoreOpen, Urgency},
    status::{is_attempt, is_by_invoice},
};
use crate::store::{
    customer::Customer,
    mirror::{Invoice, Subscription},
};

/// The most open invoices that a card lists. The card shows only the number of the others.
const MOST_LISTED: usize = 5;
/// Seconds after which a payment no longer counts as in process: a bank can take some days.
const LONG: i64 = 14 * 24 * 60 * 60;

impl CardRows {
    pub fn invoices(&self, customer: &Customer, now: i64) -> Invoices {
        let own: Vec<_> = self.invoices_of(customer).collect();
        let open: Vec<_> = own.iter().rev().filter(|row| is_to_pay(row)).collect();
        let last = own.iter().find(|row| !is_to_pay(row));
        let more_open = match (open.len().checked_sub(MOST_LISTED), open.last()) {
            (Some(count @ 1..), Some(last_open)) => Some(MoreOpen {
                count,
                last_created: last_open.created,
            }),
            _ => None,
        };
        let listed = open.iter().take(MOST_LISTED);
        Invoices {
            open: listed.map(|row| self.invoice(row, now)).collect(),
            more_open,
            last: last.map(|row| self.invoice(row, now)),
        }
    }

    /// What to pay first: the oldest overdue invoice, else an invoice that is not charged automatically.
    pub fn due(&self, customer: &Customer, now: i64) -> Option<Due> {
        let payable = self.invoices_of(customer).filter(|row| is_to_pay(row));
        let mut candidates: Vec<_> = payable
            .filter_map(|row| Some((self.urgency(customer, row, now)?, row)))
            .collect();
        candidates.sort_by_key(|(urgency, row)| (*urgency, row.created));
        let (urgency, row) = candidates.into_iter().next()?;
        Some(Due {
            invoice: row.id.clone(),
            amount: remaining(row).and_then(|minor| self.amount(row, minor)),
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
                // An abandoned attempt to subscribe leaves no debt.
                let of = self.subscription_of(row);
                of.is_none_or(|of| !is_attempt(of) || shown.contains(&&of.id))
            })
    }

    /// `None` for an invoice whose payment is in process: Stripe charges it soon, or a bank is processing it.
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

    fn invoice(&self, row: &Invoice, now: i64) -> InvoiceCard {
        let amount = |minor: Option<i64>| minor.and_then(|minor| self.amount(row, minor));
        let left = remaining(row);
        let status = match row.status.as_deref() {
            _ if is_to_pay(row) => InvoiceStatus::Open {
                remaining: amount(left),
                is_part_paid: left.is_some() && left != row.total && row.amount_paid > Some(0),
                paid_in: self.paid_in(row).map(str::to_owned),
                due_at: row.due_date,
                is_overdue: row.due_date.is_some_and(|due| due < now),
            },
            _ if row.total.is_some_and(|total| total < 0) => InvoiceStatus::Credit {
                credit: amount(row.total.and_then(i64::checked_neg)),
            },
            Some("paid") => InvoiceStatus::Paid,
            Some("void") => InvoiceStatus::Void,
            Some("uncollectible") => InvoiceStatus::Uncollectible,
            Some("open") => InvoiceStatus::Settled,
            _ => InvoiceStatus::Unknown,
        };
        InvoiceCard {
            id: row.id.clone(),
            number: row.number.clone(),
            created: row.created,
            status,
            total: amount(row.total),
            pdf: row.invoice_pdf.clone().filter(|url| is_web_address(url)),
        }
    }

    /// `None` where the customer pays in another currency: Stripe does not put that amount on the invoice.
    fn amount(&self, row: &Invoice, minor: i64) -> Option<Money> {
        let currency = row.currency.as_deref()?;
        let is_own = self.paid_in(row).is_none();
        is_own.then(|| Money::new(minor, currency))
    }

    /// The currency that the customer pays in, if it differs from the invoice's.
    fn paid_in(&self, row: &Invoice) -> Option<&str> {
        let presentment = self.subscription_of(row)?.presentment_currency.as_deref()?;
        (row.currency.as_deref() != Some(presentment)).then_some(presentment)
    }

    fn subscription_of(&self, row: &Invoice) -> Option<&Subscription> {
        let id = row.subscription_id.as_ref()?;
        self.subscriptions.iter().find(|of| of.id == *id)
    }
}

/// Whether something is left to pay, as far as that is known.
fn is_to_pay(row: &Invoice) -> bool {
    row.status.as_deref() == Some("open") && remaining(row).is_none_or(|left| left > 0)
}

/// The remaining amount in minor units. A customer balance, a credit note or a partial payment makes it less than the total.
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

/// Whether a link to this URL is safe: only https (or http to loopback), so that no `javascript:` URL runs in our page (XSS).
fn is_web_address(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| {
        url.scheme() == "https" || url.scheme() == "http" && crate::config::is_loopback(&url)
    })
}
