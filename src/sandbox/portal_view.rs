//! How the hosted portal page looks: plain HTML with its style inside, no script. Every text that comes from outside passes `escape`.

use serde_json::Value;

use super::{
    clock,
    payment_methods::TEST_CARDS,
    prices::{self, money},
    table::Table,
};

const STYLE: &str = include_str!("portal.css");

pub enum View<'a> {
    Home,
    Card,
    /// Asks before this subscription is canceled.
    Cancel(&'a Value),
}

pub struct Page<'a> {
    pub token: &'a str,
    pub business_name: &'a str,
    pub return_url: Option<&'a str>,
    pub customer: &'a Value,
    pub card: Option<&'a Value>,
    pub subscriptions: &'a [&'a Value],
    pub invoices: Vec<&'a Value>,
    pub products: &'a Table,
    /// What a form just did, as a word in the address.
    pub notice: &'a str,
    /// The shop's own words after a completed flow.
    pub confirmation: Option<&'a str>,
}

pub fn page(page: &Page<'_>, view: View<'_>) -> String {
    let body = match view {
        View::Home => [subscriptions(page), payment_method(page), details(page), invoices(page)].concat(),
        View::Card => card_form(page),
        View::Cancel(subscription) => cancel_form(page, subscription),
    };
    let name = customer_name(page.customer);
    let content = format!(
        "{way_back}<header><h1>Billing portal</h1><p class=\"name\">{name}</p></header>{notice}{body}",
        way_back = page.return_url.map(|url| way_back(url, page.business_name)).unwrap_or_default(),
        name = escape(name),
        notice = notice(page),
    );
    document(&format!("Billing portal · {}", escape(name)), &content)
}

/// For a link that expired or never was.
pub fn gone(business_name: &str) -> String {
    let content = format!(
        "<header><h1>This link no longer works</h1></header><section><p>A link to the billing portal waits five minutes for its first visit, and lasts an hour after the last one. \
         Nothing was changed.</p><p>Go back to {} and open the portal again from there.</p></section>",
        escape(business_name)
    );
    document("This link no longer works", &content)
}

fn document(title: &str, content: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title} · Stand-in for Stripe</title>\
         <meta name=\"robots\" content=\"noindex\"><meta name=\"color-scheme\" content=\"light dark\"><style>{STYLE}</style></head><body>\
         <p class=\"banner\" role=\"note\"><strong>Stand-in for Stripe: test only.</strong> No money moves here.</p><main>{content}</main></body></html>"
    )
}

fn way_back(url: &str, business_name: &str) -> String {
    format!("<nav><a href=\"{}\"><span aria-hidden=\"true\">←</span> Return to {}</a></nav>", escape(url), escape(business_name))
}

fn notice(page: &Page<'_>) -> String {
    let (bad, text) = match page.notice {
        "details" => (false, "Your details were saved."),
        "card" => (false, "The card was saved. It will be used from now on."),
        "cancel" => (false, "The subscription will end with the period that is paid for."),
        "resume" => (false, "The subscription goes on."),
        "paid" => (false, "The invoice is paid. Thank you."),
        "email" => (true, "That does not look like an e-mail address. Nothing was changed."),
        "declined" => (true, "The card was declined. Choose another one."),
        "unpaid" => (true, "The invoice could not be paid with the card on file. Choose another one, then pay again."),
        _ => return String::new(),
    };
    if bad {
        return format!("<p class=\"notice bad\" role=\"alert\">{text}</p>");
    }
    let own_words = page.confirmation.filter(|_| matches!(page.notice, "card" | "cancel")).map(|words| format!(" {}", escape(words)));
    format!("<p class=\"notice\" role=\"status\">{text}{}</p>", own_words.unwrap_or_default())
}

fn subscriptions(page: &Page<'_>) -> String {
    let title = if page.subscriptions.len() == 1 { "Subscription" } else { "Subscriptions" };
    let entries: String = page.subscriptions.iter().map(|subscription| subscription_entry(page, subscription)).collect();
    let entries = if entries.is_empty() { "<p class=\"quiet\">There is no subscription.</p>".to_owned() } else { entries };
    format!("<section aria-labelledby=\"subscriptions\"><h2 id=\"subscriptions\">{title}</h2>{entries}</section>")
}

fn subscription_entry(page: &Page<'_>, subscription: &Value) -> String {
    let id = escape(subscription["id"].as_str().unwrap_or_default());
    let token = escape(page.token);
    let action = if subscription["status"] == "canceled" {
        String::new()
    } else if subscription["cancel_at"].is_null() {
        format!("<a class=\"button\" href=\"/p/session/{token}?view=cancel&amp;subscription={id}\">Cancel subscription</a>")
    } else {
        form(page, "resume", &format!("{}<button>Resume subscription</button>", hidden("subscription", &id)))
    };
    let (tone, state) = standing(subscription);
    format!(
        "<article><div><h3>{plan}</h3><p class=\"price\">{price}</p><p class=\"state {tone}\">{state}</p></div>{action}</article>",
        plan = escape(plan_name(page, subscription)),
        price = escape(&price(subscription)),
    )
}

/// The state in words, and how loud to say it.
fn standing(subscription: &Value) -> (&'static str, String) {
    let on = |value: &Value| value.as_i64().map(clock::in_words).unwrap_or_default();
    let period_end = &subscription["items"]["data"][0]["current_period_end"];
    match subscription["status"].as_str().unwrap_or_default() {
        "canceled" => ("off", format!("Ended on {}", on(&subscription["ended_at"]))),
        "past_due" => ("bad", "Payment overdue".to_owned()),
        _ if !subscription["cancel_at"].is_null() => ("off", format!("Ends on {}", on(&subscription["cancel_at"]))),
        "trialing" => ("good", format!("Trial until {}", on(&subscription["trial_end"]))),
        "active" => ("good", format!("Active, renews on {}", on(period_end))),
        other => ("off", escape(other)),
    }
}

fn payment_method(page: &Page<'_>) -> String {
    let card = page.card.map_or_else(
        || "<p class=\"quiet\">There is no card on file.</p>".to_owned(),
        |card| {
            let card = &card["card"];
            format!(
                "<p class=\"card\"><strong>{brand}</strong> <span class=\"figures\">•••• {last4}</span> <span class=\"quiet\">expires {month:02}/{year}</span></p>",
                brand = escape(&title_case(card["brand"].as_str().unwrap_or_default())),
                last4 = escape(card["last4"].as_str().unwrap_or_default()),
                month = card["exp_month"].as_i64().unwrap_or_default(),
                year = card["exp_year"].as_i64().unwrap_or_default(),
            )
        },
    );
    format!(
        "<section aria-labelledby=\"payment\"><h2 id=\"payment\">Payment method</h2><article>{card}<a class=\"button\" href=\"/p/session/{}?view=card\">Update card</a></article></section>",
        escape(page.token)
    )
}

fn details(page: &Page<'_>) -> String {
    let fields = format!(
        "<label for=\"name\">Name</label><input id=\"name\" name=\"name\" maxlength=\"256\" autocomplete=\"name\" value=\"{name}\">\
         <label for=\"email\">E-mail</label><input id=\"email\" name=\"email\" inputmode=\"email\" autocomplete=\"email\" autocapitalize=\"none\" spellcheck=\"false\" value=\"{email}\">\
         <button class=\"main\">Save details</button>",
        name = escape(page.customer["name"].as_str().unwrap_or_default()),
        email = escape(page.customer["email"].as_str().unwrap_or_default()),
    );
    format!("<section aria-labelledby=\"details\"><h2 id=\"details\">Details</h2>{}</section>", form(page, "details", &fields))
}

fn invoices(page: &Page<'_>) -> String {
    let rows: String = page.invoices.iter().map(|invoice| invoice_row(page, invoice)).collect();
    let list = if rows.is_empty() { "<p class=\"quiet\">There are no invoices yet.</p>".to_owned() } else { format!("<ul>{rows}</ul>") };
    format!("<section aria-labelledby=\"invoices\"><h2 id=\"invoices\">Invoices</h2>{list}</section>")
}

fn invoice_row(page: &Page<'_>, invoice: &Value) -> String {
    let (tone, state) = if invoice["status"] == "open" { ("bad", "Open") } else { ("good", "Paid") };
    let action = if invoice["status"] == "open" {
        let id = escape(invoice["id"].as_str().unwrap_or_default());
        form(page, "pay", &format!("{}<button>Pay now</button>", hidden("invoice", &id)))
    } else {
        String::new()
    };
    format!(
        "<li><div><p>{date}</p><p class=\"quiet figures\">{number}</p></div><p class=\"figures\">{amount} <span class=\"state {tone}\">{state}</span></p>{action}</li>",
        date = clock::in_words(invoice["created"].as_i64().unwrap_or_default()),
        number = escape(invoice["number"].as_str().unwrap_or_default()),
        amount = escape(&money(invoice["total"].as_i64().unwrap_or_default(), invoice["currency"].as_str().unwrap_or_default())),
    )
}

fn card_form(page: &Page<'_>) -> String {
    let cards: String = TEST_CARDS
        .iter()
        .enumerate()
        .map(|(index, card)| {
            let checked = if index == 0 { " checked" } else { "" };
            format!(
                "<label class=\"choice\"><input type=\"radio\" name=\"card\" value=\"{token}\"{checked}><span><strong>{label}</strong><span class=\"quiet figures\">{number}</span></span></label>",
                token = card.token,
                label = card.label,
                number = card.number,
            )
        })
        .collect();
    let fields = format!("<fieldset><legend>Test card</legend>{cards}</fieldset><button class=\"main\">Save card</button>");
    format!(
        "<section aria-labelledby=\"update-card\"><h2 id=\"update-card\">Update your card</h2>{form}{keep}</section>",
        form = form(page, "card", &fields),
        keep = home_link(page, "Back to the billing portal"),
    )
}

fn cancel_form(page: &Page<'_>, subscription: &Value) -> String {
    let id = escape(subscription["id"].as_str().unwrap_or_default());
    let until = subscription["items"]["data"][0]["current_period_end"].as_i64().map(clock::in_words).unwrap_or_default();
    format!(
        "<section aria-labelledby=\"cancel\"><h2 id=\"cancel\">Cancel {plan}?</h2><p>{price}. It stays active until {until}, and you can resume it until then.</p>{form}{keep}</section>",
        plan = escape(plan_name(page, subscription)),
        price = escape(&price(subscription)),
        form = form(page, "cancel", &format!("{}<button class=\"main\">Cancel subscription</button>", hidden("subscription", &id))),
        keep = home_link(page, "Keep it"),
    )
}

fn home_link(page: &Page<'_>, text: &str) -> String {
    format!("<p class=\"after\"><a href=\"/p/session/{}?view=home\">{text}</a></p>", escape(page.token))
}

fn form(page: &Page<'_>, action: &str, fields: &str) -> String {
    format!("<form method=\"post\" action=\"/p/session/{}/{action}\">{fields}</form>", escape(page.token))
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
}

fn customer_name(customer: &Value) -> &str {
    ["name", "description", "email", "id"].iter().find_map(|field| customer[field].as_str()).unwrap_or_default()
}

fn plan_name<'a>(page: &Page<'a>, subscription: &'a Value) -> &'a str {
    let product = subscription["items"]["data"][0]["price"]["product"].as_str().unwrap_or_default();
    page.products.get(product).and_then(|product| product["name"].as_str()).unwrap_or("Subscription")
}

fn price(subscription: &Value) -> String {
    let item = &subscription["items"]["data"][0];
    prices::in_words(&item["price"], item["quantity"].as_i64().unwrap_or(1))
}

fn title_case(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |letter| letter.to_uppercase().chain(letters).collect())
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
