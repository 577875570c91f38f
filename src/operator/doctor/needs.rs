//! `billhook doctor --needs`: the permissions and event types that Stripe has to be configured with, derived from
//! the mirrored objects.

use std::collections::BTreeMap;

use serde_json::json;

use super::stripe::{READS, SECRETS};
use crate::domain::mirror::EVENTS;

/// The permission for the calls that the key must be able to make.
const WRITES: &str = "Customer portal";

/// As JSON, for scripts that create the key or the endpoint.
pub fn json() -> String {
    let titles =
        |lists: &[super::stripe::List]| -> Vec<_> { lists.iter().map(|list| list.title).collect() };
    json!({
        "write": [WRITES],
        "read": titles(&READS),
        "none": titles(&SECRETS),
        "events": *EVENTS,
    })
    .to_string()
}

/// As text.
pub fn page() -> String {
    let titles = |lists: &[super::stripe::List]| {
        let titles: Vec<_> = lists.iter().map(|list| list.title).collect();
        titles.join(", ")
    };
    let mut lines = vec![
        "The restricted key (Developers → API keys):".to_owned(),
        format!("  Write: {WRITES}"),
        format!("  Read, to import and to look things up: {}", titles(&READS)),
        format!("  None: {}, and all others", titles(&SECRETS)),
        String::new(),
        "The events of the webhook endpoint (Developers → Webhooks), by the headings that Stripe has for them:"
            .to_owned(),
    ];
    let mut headings: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for r#type in EVENTS.iter() {
        headings.entry(heading(r#type)).or_default().push(r#type);
    }
    for (heading, types) in headings {
        lines.push(format!("  {heading}"));
        lines.extend(types.iter().map(|r#type| format!("    {type}")));
    }
    lines.join("\n")
}

/// `Invoice Payment` of `invoice_payment.paid`.
fn heading(r#type: &str) -> String {
    let first = r#type.split('.').next().unwrap_or_default();
    let words = first.split('_').map(|word| {
        let mut letters = word.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        capital.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stand_under_the_headings_that_stripe_has() {
        assert_eq!(heading("invoice_payment.paid"), "Invoice Payment");
        assert_eq!(heading("checkout.session.completed"), "Checkout");
        let page = page();
        assert!(
            page.contains("  Customer\n    customer.created\n"),
            "{page}"
        );
        assert!(page.contains("Write: Customer portal"), "{page}");
        for r#type in EVENTS.iter() {
            assert!(page.contains(r#type), "{type} is missing: {page}");
        }
        let json: serde_json::Value = serde_json::from_str(&json()).unwrap();
        assert_eq!(json["events"].as_array().unwrap().len(), EVENTS.len());
        assert_eq!(json["read"][1], "Events");
    }
}
