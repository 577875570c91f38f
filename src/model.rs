//! The plain values that server and browser both speak. Nothing here reads a clock, a database or
//! the network, and nothing here is large: it is all downloaded.

use leptos::prelude::{FromServerFnError, ServerFnErrorErr};
use leptos::server_fn::codec::JsonEncoding;
use serde::{Deserialize, Serialize};

/// One card of the list: a Stripe customer as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CustomerView {
    /// `cus_…`
    pub id: String,
    /// Name, else description, else address, else id.
    pub title: String,
    pub email: String,
    /// When Stripe made the record, in unix seconds.
    pub created: i64,
    /// The same day in UTC, as `2027-03-03`.
    pub created_day: String,
    /// The same day in UTC and in words, for pages without JavaScript.
    pub created_text: String,
    pub state: CustomerState,
}

/// What the record itself says of its payments (Stripe's `delinquent`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CustomerState {
    UpToDate,
    PaymentOverdue,
}

impl CustomerState {
    pub fn words(self) -> &'static str {
        match self {
            CustomerState::UpToDate => "Up to date",
            CustomerState::PaymentOverdue => "Payment overdue",
        }
    }
}

/// Where in the portal a button leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The portal's first page, which also lists the invoices.
    Home,
    /// Stripe's `payment_method_update` flow.
    PaymentMethod,
}

impl Flow {
    /// Reads the `flow` field of the form. `invoices` is the first page, since Stripe has no flow
    /// for them (<https://docs.stripe.com/api/customer_portal/sessions/create>).
    pub fn parse(text: &str) -> Option<Flow> {
        match text {
            "home" | "invoices" => Some(Flow::Home),
            "payment_method" => Some(Flow::PaymentMethod),
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
}

impl ApiError {
    /// The name of the error in a page's address.
    pub fn code(self) -> &'static str {
        match self {
            ApiError::SignedOut => "signed-out",
            ApiError::NotFound => "not-found",
            ApiError::BadRequest => "bad-request",
            ApiError::Unavailable => "unavailable",
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
