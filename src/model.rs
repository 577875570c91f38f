//! The plain values that server and browser both speak. Nothing here reads a clock, a database or
//! the network, and nothing here is large: it is all downloaded.

use leptos::prelude::{FromServerFnError, ServerFnErrorErr};
use leptos::server_fn::codec::JsonEncoding;
use serde::{Deserialize, Serialize};

use crate::mask::shows;

/// Where an open list hears of changes.
pub const LIVE: &str = "/billing/live";

/// One card of the list: a Stripe customer as its owner sees it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CustomerView {
    /// `cus_…`
    pub id: String,
    /// Name, else description, else address, else id.
    pub title: String,
    pub email: String,
    /// When Stripe made the record.
    pub created: Day,
    pub state: State,
    /// Those that run, newest first; else the one that ended last.
    pub subscriptions: Vec<SubscriptionView>,
    /// `Pays with Visa ending in 4242, valid until 12/2027`, or `Pays by invoice`
    pub payment_method: Option<String>,
    /// What should be paid now.
    pub due: Option<DueView>,
    /// All that are open, then the newest of the others.
    pub invoices: Vec<InvoiceView>,
}

shows!(CustomerView: id, created, state, subscriptions, due, invoices);

/// An open invoice that should be paid now.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DueView {
    /// `in_…`
    pub invoice: String,
    /// `The payment of €49.00 failed.`
    pub words: String,
    /// `Pay €49.00`
    pub button: String,
}

/// A day: in unix seconds, as `2027-03-03T00:00:00Z`, and as `3 March 2027`. The last is in UTC, for
/// pages without JavaScript. A tuple, as the two below are: together that makes the download 0.8 kB smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Day(pub i64, pub String, pub String);

/// A state in words, and whether something should be done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State(pub String, pub bool);

/// A subscription on a card.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SubscriptionView {
    /// `sub_…`
    pub id: String,
    /// The names of its products.
    pub title: String,
    /// `€12.00 / month × 3`, with what discounts take off; empty where one of its prices is not known.
    pub price: String,
    /// `Discount: 50% off €24.00`
    pub discount: Option<String>,
    pub state: State,
    /// What happens when: `Renews on` and the day.
    pub dates: Vec<(String, Day)>,
    /// Stripe's portal can change its plan: it has one item and has not ended.
    pub may_change: bool,
    /// It has not ended, and is not about to.
    pub may_cancel: bool,
}

/// An invoice on a card.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InvoiceView {
    /// `Last invoice: €12.00, paid`
    pub words: String,
    pub day: Day,
    pub pdf: Option<PdfView>,
}

shows!(InvoiceView: words, day);

/// Stripe's file of an invoice, open to anybody who has its address.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PdfView {
    pub url: String,
    /// What a screen reader calls the link: `PDF of invoice NW-0042`
    pub name: String,
}

shows!(PdfView: name);

/// Where in the portal a button leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The portal's first page, which also lists the invoices.
    Home,
    /// Stripe's `payment_method_update` flow.
    PaymentMethod,
    /// `subscription_update`, of this subscription.
    ChangePlan(String),
    /// `subscription_cancel`, of this subscription.
    Cancel(String),
}

impl Flow {
    /// Reads the fields of the form. `invoices` is the first page, since Stripe has no flow for them
    /// (<https://docs.stripe.com/api/customer_portal/sessions/create>).
    pub fn parse(flow: &str, subscription: Option<String>) -> Option<Flow> {
        match (flow, subscription) {
            ("home" | "invoices", None) => Some(Flow::Home),
            ("payment_method", None) => Some(Flow::PaymentMethod),
            ("change_plan", Some(id)) => Some(Flow::ChangePlan(id)),
            ("cancel", Some(id)) => Some(Flow::Cancel(id)),
            _ => None,
        }
    }
}

/// All that a visitor may be told went wrong. Closed, and without free text: nothing of the inside
/// can leak through it, and no link can put words into our mouth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiError {
    /// No live session.
    SignedOut,
    /// There is no such thing, or it is not yours: the same answer for both.
    NotFound,
    /// What was sent could not be read.
    BadRequest,
    /// Stripe or the database did not answer. Trying again is safe.
    Unavailable,
    /// The shop's key may not do this: its operator has to mend that.
    NotSetUp,
    /// Too often in a short time.
    TooMany,
}

impl ApiError {
    /// The name of the error in a page's address.
    pub fn code(self) -> &'static str {
        match self {
            ApiError::SignedOut => "signed-out",
            ApiError::NotFound => "not-found",
            ApiError::BadRequest => "bad-request",
            ApiError::Unavailable => "unavailable",
            ApiError::NotSetUp => "not-set-up",
            ApiError::TooMany => "too-many",
        }
    }
}

impl FromServerFnError for ApiError {
    type Encoder = JsonEncoding;

    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Args(_)
            | ServerFnErrorErr::MissingArg(_)
            | ServerFnErrorErr::Deserialization(_) => ApiError::BadRequest,
            _ => ApiError::Unavailable,
        }
    }
}

/// Text as HTML shows it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
