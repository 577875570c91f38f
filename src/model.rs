//! Plain values that server and browser share. The browser downloads all of it, so it must stay small and must not read a clock, a
//! database or the network.

use leptos::prelude::{FromServerFnError, ServerFnErrorErr};
use leptos::server_fn::codec::JsonEncoding;
use serde::{Deserialize, Serialize};

use crate::mask::shows;

/// Path of the event stream that sends changes to an open list.
pub const LIVE: &str = "/billing/live";

/// One card of the list: a Stripe customer as its owner sees it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CustomerView {
    /// `cus_…`
    pub id: String,
    /// Name, else description, else email address, else id.
    pub title: String,
    pub email: String,
    /// When Stripe created the record.
    pub created: Day,
    pub state: State,
    /// The running subscriptions, newest first. Without one, the subscription that ended last.
    pub subscriptions: Vec<SubscriptionView>,
    /// `Pays with Visa ending in 4242, valid until 12/2027`, or `Pays by invoice`
    pub payment_method: Option<String>,
    /// An open invoice that the customer should pay now.
    pub due: Option<DueView>,
    /// All open invoices, then the newest of the others.
    pub invoices: Vec<InvoiceView>,
}

shows!(CustomerView: id, created, state, subscriptions, due, invoices);

/// An open invoice that the customer should pay now.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DueView {
    /// `in_…`
    pub invoice: String,
    /// `The payment of €49.00 failed.`
    pub words: String,
    /// `Pay €49.00`
    pub button: String,
}

/// A day in unix seconds, as `2027-03-03T00:00:00Z`, and as `3 March 2027`. The last is in UTC, for pages without JavaScript. A tuple,
/// as the two types below: together this makes the download 0.8 kB smaller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Day(pub i64, pub String, pub String);

/// A state in words, and whether it needs action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct State(pub String, pub bool);

/// A subscription on a card.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SubscriptionView {
    /// `sub_…`
    pub id: String,
    /// The names of its products.
    pub title: String,
    /// `€12.00 / month × 3`, after discounts; empty if one of its prices is unknown.
    pub price: String,
    /// `Discount: 50% off €24.00`
    pub discount: Option<String>,
    pub state: State,
    /// Labels such as `Renews on`, each with its day.
    pub dates: Vec<(String, Day)>,
    /// Whether Stripe's portal can change its plan: it has one item and has not ended.
    pub may_change: bool,
    /// Whether it can be cancelled: it has not ended and is not about to end.
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

/// Stripe's PDF of an invoice. Its URL needs no login.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PdfView {
    pub url: String,
    /// The link's accessible name: `PDF of invoice NW-0042`
    pub name: String,
}

shows!(PdfView: name);

/// The portal page that a button opens.
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
    /// Parses the form's fields. `invoices` maps to the first page, since Stripe has no flow for invoices
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

/// All errors that a visitor can see. A closed set without free text: it cannot leak internals, and no link can inject text into
/// our pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApiError {
    /// No live session.
    SignedOut,
    /// It does not exist, or belongs to another customer: the same response for both, so that ids cannot be probed.
    NotFound,
    /// The request could not be parsed.
    BadRequest,
    /// Stripe or the database did not respond. The request is idempotent: a retry is safe.
    Unavailable,
    /// The shop's Stripe key lacks a permission. The operator has to add it.
    NotSetUp,
    /// The client exceeded its rate limit.
    TooMany,
}

impl ApiError {
    /// The error's code in a page's query string.
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

/// Escapes text for HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
