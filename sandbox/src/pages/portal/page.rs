//! What the portal page shows.

use serde_json::Value;

use crate::state::table::Table;

#[derive(Debug)]
pub enum View<'a> {
    Home,
    Card,
    /// Asks before this subscription is canceled.
    Cancel(&'a Value),
    /// Other plans for this subscription.
    Plans(&'a Value),
}

#[derive(Debug)]
pub struct Page<'a> {
    pub token: &'a str,
    pub business_name: &'a str,
    pub return_url: Option<&'a str>,
    pub customer: &'a Value,
    pub card: Option<&'a Value>,
    pub subscriptions: &'a [&'a Value],
    pub invoices: Vec<&'a Value>,
    pub products: &'a Table,
    pub prices: &'a Table,
    /// What a form just did, as a word in the address.
    pub notice: &'a str,
    /// The shop's own words after a completed flow.
    pub confirmation: Option<&'a str>,
}
