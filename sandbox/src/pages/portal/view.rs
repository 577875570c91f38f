//! How the hosted portal page looks.

use crate::pages::{
    document, escape,
    portal::{
        page::{Page, View},
        parts,
    },
    words::customer_name,
};

pub fn page(page: &Page<'_>, view: View<'_>) -> String {
    let body = match view {
        View::Home => [
            parts::subscriptions(page),
            parts::payment_method(page),
            parts::details(page),
            parts::invoices(page),
        ]
        .concat(),
        View::Card => parts::card_form(page),
        View::Cancel(subscription) => parts::cancel_form(page, subscription),
        View::Plans(subscription) => parts::plan_form(page, subscription),
    };
    let name = customer_name(page.customer);
    let content = format!(
        r#"{way_back}
<header><h1>Billing portal</h1><p class="name">{name}</p></header>
{notice}{body}"#,
        way_back = page
            .return_url
            .map(|url| way_back(url, page.business_name))
            .unwrap_or_default(),
        name = escape(name),
        notice = notice(page),
    );
    document(&format!("Billing portal · {}", escape(name)), &content)
}

/// For a link that expired or never was.
pub fn gone(business_name: &str) -> String {
    let content = format!(
        "<header><h1>This link no longer works</h1></header>
<section><p>A link to the billing portal waits five minutes for its first visit, and lasts an hour \
after the last one. Nothing was changed.</p>
<p>Go back to {} and open the portal again from there.</p></section>",
        escape(business_name)
    );
    document("This link no longer works", &content)
}

fn way_back(url: &str, business_name: &str) -> String {
    format!(
        "<nav><a href=\"{}\"><span aria-hidden=\"true\">←</span>Return to {}</a></nav>",
        escape(url),
        escape(business_name)
    )
}

pub fn notice(page: &Page<'_>) -> String {
    let (bad, text) = match page.notice {
        "details" => (false, "Your details were saved."),
        "card" => (false, "The card was saved. It will be used from now on."),
        "cancel" => (
            false,
            "The subscription will end with the period that is paid for.",
        ),
        "plan" => (false, "The plan was changed."),
        "resume" => (false, "The subscription goes on."),
        "paid" => (false, "The invoice is paid. Thank you."),
        "email" => (
            true,
            "That does not look like an e-mail address. Nothing was changed.",
        ),
        "declined" => (true, "The card was declined. Choose another one."),
        "unpaid" => (
            true,
            "The invoice could not be paid with the card on file. \
             Choose another one, then pay again.",
        ),
        _ => return String::new(),
    };
    if bad {
        return format!("<p class=\"notice bad\" role=\"alert\">{text}</p>");
    }
    let own_words = page
        .confirmation
        .filter(|_| matches!(page.notice, "card" | "cancel" | "plan"))
        .map(|words| format!(" {}", escape(words)));
    format!(
        "<p class=\"notice\" role=\"status\">{text}{}</p>",
        own_words.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::state::table::Table;

    use super::*;

    #[test]
    fn what_a_customer_is_named_cannot_become_markup() {
        let customer = json!({ "id": "cus_1", "name": "<script>\"'&", "email": "a\"@b" });
        let shown = page(
            &Page {
                token: "test_1",
                business_name: "<b>",
                return_url: Some("https://example.com/?a=1&b=\""),
                customer: &customer,
                card: None,
                subscriptions: &[],
                invoices: Vec::new(),
                products: &Table::default(),
                prices: &Table::default(),
                notice: "",
                confirmation: None,
            },
            View::Home,
        );
        assert!(!shown.contains("<script"));
        assert!(!shown.contains("<b>"));
        assert!(shown.contains("value=\"a&quot;@b\""));
    }
}
