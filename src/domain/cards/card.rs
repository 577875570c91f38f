//! The types of a card. `present` renders them as text, and the API serves them as JSON: the field names are part of the API.
//! Times are unix seconds, amounts are in minor units.

use serde::Serialize;

use super::super::{
    money::Money,
    price::{Interval, ListPrice},
};
use crate::mask::shows;

/// A Stripe customer as its owner sees it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Card {
    /// `cus_…`
    pub customer: String,
    /// Its name, else its description.
    pub name: Option<String>,
    pub email: String,
    /// When the customer was created at Stripe.
    pub created: i64,
    pub status: CustomerStatus,
    /// The running subscriptions, newest first; else the one that ended last.
    pub subscriptions: Vec<SubscriptionCard>,
    /// `None` where nothing is known.
    pub payment_methods: Option<PaymentMethods>,
    /// What should be paid now.
    pub due: Option<Due>,
    pub invoices: Invoices,
}

shows!(Card: customer, created, status, subscriptions, due, invoices);

/// The status of the subscription that needs attention most, or of an overdue payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CustomerStatus {
    PaymentFailed,
    InvoiceOverdue,
    /// The first payment of a subscription is missing.
    Incomplete,
    /// Only the customer object at Stripe says that a payment is overdue (`delinquent`).
    PaymentOverdue,
    UpToDate,
    NoPlan,
}

impl CustomerStatus {
    /// Whether the customer should do something about it.
    pub fn needs_attention(self) -> bool {
        !matches!(self, CustomerStatus::UpToDate | CustomerStatus::NoPlan)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionCard {
    /// `sub_…`
    pub id: String,
    /// The names of its products, as far as they are known.
    pub products: Vec<String>,
    /// There are other products, whose names are not known.
    pub has_more_products: bool,
    /// The seller's description for the customer.
    pub description: Option<String>,
    pub status: SubscriptionStatus,
    pub cost: Cost,
    /// Whether tax is added to `cost`.
    pub plus_tax: bool,
    pub discount: Option<Discount>,
    pub dates: Vec<SubscriptionDate>,
    /// Stripe's portal can change its plan: it has one item and has not ended.
    pub may_change: bool,
    /// It has not ended, and is not about to.
    pub may_cancel: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    Active,
    Trialing,
    Paused,
    /// It will end, and nothing is charged before.
    Ending,
    Ended,
    PaymentFailed,
    /// It is paid by invoices, and one is overdue.
    InvoiceOverdue,
    /// Its first payment is missing.
    Incomplete,
    /// A status that Stripe has added since this version.
    #[serde(untagged)]
    Other(String),
}

impl SubscriptionStatus {
    /// The customer's status that follows from this subscription, if the customer should do something about it.
    pub fn urgent(&self) -> Option<CustomerStatus> {
        match self {
            SubscriptionStatus::PaymentFailed => Some(CustomerStatus::PaymentFailed),
            SubscriptionStatus::InvoiceOverdue => Some(CustomerStatus::InvoiceOverdue),
            SubscriptionStatus::Incomplete => Some(CustomerStatus::Incomplete),
            _ => None,
        }
    }
}

/// What happens to a subscription, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionDate {
    pub kind: DateKind,
    pub at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DateKind {
    Ended,
    TrialEnds,
    Resumes,
    Renews,
    Ends,
}

/// The cost of a subscription, without tax that is added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cost {
    /// A part of it is not known, and a part must not be shown as the whole.
    Unknown,
    /// The price of each item.
    List {
        prices: Vec<ListPrice>,
        /// There is a discount whose amount cannot be determined.
        before_discount: bool,
    },
    /// The charge for all items together, after discounts.
    Total {
        next: Money,
        /// After the next payment, where a discount applies to that one only.
        then: Option<Money>,
        interval: Option<Interval>,
    },
}

/// The discounts. With neither `always` nor `once`, it is only known that there is a discount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Discount {
    /// Off every payment.
    pub always: Vec<Off>,
    /// The amount that `always` is taken off, where that is known.
    pub full: Option<Money>,
    /// Off the next payment only.
    pub once: Vec<Off>,
    /// When the first of them ends.
    pub until: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Off {
    /// A decimal number: `12.5`.
    Percent {
        percent: String,
    },
    Amount(Money),
}

/// The payment methods for the next invoices. Without methods, all are paid by invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentMethods {
    pub methods: Vec<SavedMethod>,
    /// Some subscriptions are paid by invoices that are sent to the customer.
    pub by_invoice: bool,
}

/// A payment method that is charged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SavedMethod {
    /// Stripe's type, also for legacy kinds: `card`, `sepa_debit`.
    pub kind: String,
    /// The brand of a card or the bank of a bank account, as Stripe writes it.
    pub brand: Option<String>,
    pub last4: Option<String>,
    pub expiry: Option<Expiry>,
}

shows!(SavedMethod: kind, brand, expiry);

/// The last month in which a card is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Expiry {
    pub month: i64,
    pub year: i64,
    pub has_expired: bool,
}

/// An open invoice that should be paid now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Due {
    /// `in_…`
    pub invoice: String,
    /// The remaining amount. `None` where the customer pays in another currency than the invoice's, or nothing is known.
    pub amount: Option<Money>,
    pub urgency: Urgency,
}

/// The most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    Failed,
    Overdue,
    Open,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Invoices {
    /// The oldest first.
    pub open: Vec<InvoiceCard>,
    /// Open invoices that are not listed.
    pub more_open: Option<MoreOpen>,
    /// The newest of the other invoices.
    pub last: Option<InvoiceCard>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MoreOpen {
    pub count: usize,
    /// When the newest was created.
    pub last_created: i64,
}

#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct InvoiceCard {
    /// `in_…`
    pub id: String,
    pub number: Option<String>,
    pub created: i64,
    #[serde(flatten)]
    pub status: InvoiceStatus,
    /// `None` where the customer pays in another currency than the invoice's, or nothing is known.
    pub total: Option<Money>,
    /// The URL of the PDF at Stripe. Anyone who has the URL can open it.
    pub pdf: Option<String>,
}

shows!(InvoiceCard: id, number, created, status, total);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum InvoiceStatus {
    /// Something is left to pay.
    Open {
        remaining: Option<Money>,
        is_part_paid: bool,
        /// The currency that the customer pays in, if it differs from the invoice's.
        paid_in: Option<String>,
        due_at: Option<i64>,
        is_overdue: bool,
    },
    /// The seller owes the customer.
    Credit {
        credit: Option<Money>,
    },
    Paid,
    Void,
    Uncollectible,
    /// Still open at Stripe, with nothing left to pay.
    Settled,
    Unknown,
}

/// What has changed for a customer since a given time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct News {
    pub subscriptions: Vec<SubscriptionCard>,
    /// The payment methods in use, if they may have changed.
    pub payment_methods: Option<PaymentMethods>,
    pub has_paid: bool,
    /// What is still to be paid.
    pub due: Option<Due>,
}

impl News {
    pub fn is_empty(&self) -> bool {
        *self == News::default()
    }
}
