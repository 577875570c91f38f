//! The parts of the portal page: what is shown of subscriptions, card, details and invoices, and
//! the forms that change them.

use serde_json::Value;

use crate::{
    pages::{
        card_choices, escape, hidden,
        portal::page::Page,
        section,
        words::{price, product_name, standing},
    },
    shapes::price_words::{self, money},
    wire::clock,
};

pub fn subscriptions(page: &Page<'_>) -> String {
    let title = if page.subscriptions.len() == 1 {
        "Subscription"
    } else {
        "Subscriptions"
    };
    let entries: String = page
        .subscriptions
        .iter()
        .map(|subscription| subscription_entry(page, subscription))
        .collect();
    let entries = if entries.is_empty() {
        "<p class=\"quiet\">There is no subscription.</p>".to_owned()
    } else {
        entries
    };
    section("subscriptions", title, &entries)
}

fn subscription_entry(page: &Page<'_>, subscription: &Value) -> String {
    let id = escape(subscription["id"].as_str().unwrap_or_default());
    let token = escape(page.token);
    let action = if subscription["status"] == "canceled" {
        String::new()
    } else if subscription["cancel_at"].is_null() {
        let to = |view: &str| format!("/p/session/{token}?view={view}&amp;subscription={id}");
        let change = if plans_for(page, subscription).is_empty() {
            String::new()
        } else {
            format!(
                r#"<a class="button" href="{}">Change plan</a>"#,
                to("plans")
            )
        };
        format!(
            r#"{change}<a class="button" href="{}">Cancel subscription</a>"#,
            to("cancel")
        )
    } else {
        form(
            page,
            "resume",
            &format!(
                "{}<button>Resume subscription</button>",
                hidden("subscription", &id)
            ),
        )
    };
    let (tone, state) = standing(subscription);
    format!(
        r#"<article>
<div><h3>{plan}</h3><p class="price">{price}</p><p class="state {tone}">{state}</p></div>
{action}
</article>"#,
        plan = escape(plan_name(page, subscription)),
        price = escape(&price(subscription)),
    )
}

pub fn payment_method(page: &Page<'_>) -> String {
    let card = page.card.map_or_else(
        || "<p class=\"quiet\">There is no card on file.</p>".to_owned(),
        |card| {
            let card = &card["card"];
            format!(
                r#"<p>
<strong>{brand}</strong> <span class="figures">•••• {last4}</span>
<span class="quiet">expires {month:02}/{year}</span>
</p>"#,
                brand = escape(&title_case(card["brand"].as_str().unwrap_or_default())),
                last4 = escape(card["last4"].as_str().unwrap_or_default()),
                month = card["exp_month"].as_i64().unwrap_or_default(),
                year = card["exp_year"].as_i64().unwrap_or_default(),
            )
        },
    );
    let token = escape(page.token);
    let update =
        format!(r#"<a class="button" href="/p/session/{token}?view=card">Update card</a>"#);
    let article = format!("<article>{card}{update}</article>");
    section("payment", "Payment method", &article)
}

pub fn details(page: &Page<'_>) -> String {
    let fields = format!(
        r#"<label for="name">Name</label>
<input id="name" name="name" maxlength="256" autocomplete="name" value="{name}">
<label for="email">E-mail</label>
<input id="email" name="email" inputmode="email" autocomplete="email" autocapitalize="none"
  spellcheck="false" value="{email}">
<button class="main">Save details</button>"#,
        name = escape(page.customer["name"].as_str().unwrap_or_default()),
        email = escape(page.customer["email"].as_str().unwrap_or_default()),
    );
    section("details", "Details", &form(page, "details", &fields))
}

pub fn invoices(page: &Page<'_>) -> String {
    let rows: String = page
        .invoices
        .iter()
        .map(|invoice| invoice_row(page, invoice))
        .collect();
    let list = if rows.is_empty() {
        "<p class=\"quiet\">There are no invoices yet.</p>".to_owned()
    } else {
        format!("<ul>{rows}</ul>")
    };
    section("invoices", "Invoices", &list)
}

fn invoice_row(page: &Page<'_>, invoice: &Value) -> String {
    let status = invoice["status"].as_str().unwrap_or_default();
    let tone = match status {
        "open" => "bad",
        "paid" => "good",
        _ => "off",
    };
    let state = escape(&title_case(status));
    let action = if invoice["status"] == "open" {
        let id = escape(invoice["id"].as_str().unwrap_or_default());
        form(
            page,
            "pay",
            &format!("{}<button>Pay now</button>", hidden("invoice", &id)),
        )
    } else {
        String::new()
    };
    format!(
        r#"<li>
<div><p>{date}</p><p class="quiet figures">{number}</p></div>
<p class="figures">{amount} <span class="state {tone}">{state}</span></p>
{action}
</li>"#,
        date = clock::in_words(invoice["created"].as_i64().unwrap_or_default()),
        number = escape(invoice["number"].as_str().unwrap_or_default()),
        amount = escape(&money(
            invoice["total"].as_i64().unwrap_or_default(),
            invoice["currency"].as_str().unwrap_or_default()
        )),
    )
}

pub fn card_form(page: &Page<'_>) -> String {
    let fields = format!(
        r#"{}<button class="main">Save card</button>"#,
        card_choices()
    );
    let form = form(page, "card", &fields);
    let back = home_link(page, "Back to the billing portal");
    section("update-card", "Update your card", &[form, back].concat())
}

pub fn cancel_form(page: &Page<'_>, subscription: &Value) -> String {
    let id = escape(subscription["id"].as_str().unwrap_or_default());
    let until = subscription["items"]["data"][0]["current_period_end"]
        .as_i64()
        .map(clock::in_words)
        .unwrap_or_default();
    let says = format!(
        "<p>{price}. It stays active until {until}, and you can resume it until then.</p>",
        price = escape(&price(subscription)),
    );
    let fields = format!(
        r#"{}<button class="main">Cancel subscription</button>"#,
        hidden("subscription", &id)
    );
    let form = form(page, "cancel", &fields);
    let keep = home_link(page, "Keep it");
    let title = format!("Cancel {}?", escape(plan_name(page, subscription)));
    section("cancel", &title, &[says, form, keep].concat())
}

pub fn plan_form(page: &Page<'_>, subscription: &Value) -> String {
    let id = escape(subscription["id"].as_str().unwrap_or_default());
    let choices: String = plans_for(page, subscription)
        .into_iter()
        .enumerate()
        .map(|(index, price)| {
            let checked = if index == 0 { " checked" } else { "" };
            format!(
                r#"<label class="choice">
<input type="radio" name="price" value="{price_id}"{checked}>
<span><strong>{name}</strong><span class="quiet figures">{words}</span></span>
</label>"#,
                price_id = escape(price["id"].as_str().unwrap_or_default()),
                name = escape(product_name(page.products, price)),
                words = escape(&price_words::in_words(price, 1)),
            )
        })
        .collect();
    let fields = format!(
        r#"{}<fieldset><legend>Plan</legend>{choices}</fieldset>
<button class="main">Change plan</button>"#,
        hidden("subscription", &id)
    );
    let form = form(page, "plan", &fields);
    let keep = home_link(page, "Keep the plan");
    section("plans", "Change the plan", &[form, keep].concat())
}

/// What a subscription of one item can change to: as Stripe's portal, only with the same currency.
pub fn plans_for<'a>(page: &Page<'a>, subscription: &Value) -> Vec<&'a Value> {
    let Some([item]) = subscription["items"]["data"].as_array().map(Vec::as_slice) else {
        return Vec::new();
    };
    let other = |price: &&Value| {
        price["active"] == true
            && price["recurring"].is_object()
            && price["currency"] == subscription["currency"]
            && price["id"] != item["price"]["id"]
    };
    page.prices.iter().filter(other).collect()
}

fn home_link(page: &Page<'_>, text: &str) -> String {
    format!(
        "<p class=\"after\"><a href=\"/p/session/{}?view=home\">{text}</a></p>",
        escape(page.token)
    )
}

fn form(page: &Page<'_>, action: &str, fields: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/p/session/{}/{action}\">{fields}</form>",
        escape(page.token)
    )
}

fn plan_name<'a>(page: &Page<'a>, subscription: &'a Value) -> &'a str {
    product_name(page.products, &subscription["items"]["data"][0]["price"])
}

fn title_case(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |letter| {
        letter.to_uppercase().chain(letters).collect()
    })
}
