//! How the start page looks.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    objects::renewal::does_renew,
    pages::{
        document, escape, hidden, section,
        words::{customer_name, price, product_name, standing},
    },
    shapes::{customers::is_deleted, price_words},
    state::State,
};

/// The newest; a test may have made a crowd.
const MOST: usize = 60;
/// An address that no example customer has.
const SOMEBODY_NEW: &str = "nobody@example.com";

#[derive(Debug)]
pub struct Page<'a> {
    pub state: &'a State,
    pub business_name: &'a str,
    pub shop_url: Option<&'a str>,
    /// What a form just did, as a word in the address.
    pub notice: &'a str,
    /// Whom that is about, by id.
    pub customer: &'a str,
}

pub fn page(page: &Page<'_>) -> String {
    let customers: Vec<Value> = page
        .state
        .customers
        .each()
        .filter(|customer| !is_deleted(customer))
        .take(MOST)
        .map(|customer| customer.into_owned())
        .collect();
    let is_beside_one = customers
        .iter()
        .any(|customer| customer["id"] == page.customer);
    let notice = if is_beside_one {
        String::new()
    } else {
        notice(page)
    };
    // By address, as Billhook shows them; those without one come last.
    let mut addresses: BTreeMap<(bool, String), Vec<&Value>> = BTreeMap::new();
    for customer in customers.iter().rev() {
        let address = customer["email"].as_str().unwrap_or_default();
        let key = (address.is_empty(), address.to_lowercase());
        addresses.entry(key).or_default().push(customer);
    }
    let sections: String = addresses
        .iter()
        .enumerate()
        .map(|(number, ((_, address), customers))| group(page, number, address, customers))
        .collect();
    let total = page.state.customers.len();
    let rest = if total > MOST {
        format!("<p class=\"after\">The newest {MOST} of {total} customers are shown.</p>")
    } else {
        String::new()
    };
    let content = format!(
        "<header><h1>Stand-in for Stripe</h1><p class=\"name\">Presses the buttons of time and of \
         customers. {business} hears of it by webhook, as it would from Stripe.</p></header>\
         {notice}{ways}{sections}{rest}{newcomer}",
        business = escape(page.business_name),
        ways = ways(page),
        newcomer = newcomer(page),
    );
    document("Start", &content)
}

/// To where the effects are seen.
fn ways(page: &Page<'_>) -> String {
    let Some(url) = page.shop_url.map(escape) else {
        return String::new();
    };
    format!(
        "<nav class=\"ways\" aria-label=\"{business}\"><a href=\"{url}/\">{business} billing</a>\
         <a href=\"{url}/dev/mail\">Test mail</a></nav>",
        business = escape(page.business_name),
    )
}

fn group(page: &Page<'_>, number: usize, address: &str, customers: &[&Value]) -> String {
    let articles: String = customers
        .iter()
        .map(|customer| record(page, customer))
        .collect();
    let (title, way) = if address.is_empty() {
        ("Without an address".to_owned(), String::new())
    } else {
        (
            format!("<bdi>{}</bdi>", escape(address)),
            sign_in(page, address),
        )
    };
    section(
        &format!("address-{number}"),
        &title,
        &[way, articles].concat(),
    )
}

fn sign_in(page: &Page<'_>, address: &str) -> String {
    let Some(url) = page.shop_url.map(escape) else {
        return String::new();
    };
    let query: String = form_urlencoded::byte_serialize(address.as_bytes()).collect();
    format!(
        "<p class=\"into\"><a href=\"{url}/?email={query}\">Sign in as {}</a></p>",
        escape(address)
    )
}

fn record(page: &Page<'_>, customer: &Value) -> String {
    let id = customer["id"].as_str().unwrap_or_default();
    let id = &escape(id);
    let of_customer = |row: &&Value| row["customer"] == customer["id"];
    let subscriptions: Vec<&Value> = page
        .state
        .subscriptions
        .iter()
        .filter(of_customer)
        .collect();
    let plans: String = subscriptions
        .iter()
        .map(|plan| subscription(page, plan))
        .collect();
    let plans = if plans.is_empty() {
        "<p class=\"quiet\">No plan</p>".to_owned()
    } else {
        plans
    };
    let month = if subscriptions.iter().any(|plan| does_renew(plan)) {
        form(
            "month",
            &format!(
                "{}<button aria-describedby=\"name-{id}\">Next month</button>",
                hidden("customer", id)
            ),
        )
    } else {
        String::new()
    };
    let told = if customer["id"] == page.customer {
        notice(page)
    } else {
        String::new()
    };
    format!(
        r#"<article class="record" id="{id}" aria-labelledby="name-{id}">
<h3 id="name-{id}"><bdi>{name}</bdi></h3><p class="quiet figures">{id}</p>
{told}{plans}
<div class="choices">{month}{buy}</div>
</article>"#,
        name = escape(customer_name(customer)),
        buy = buy(page, customer, id),
    )
}

fn subscription(page: &Page<'_>, subscription: &Value) -> String {
    let id = escape(subscription["id"].as_str().unwrap_or_default());
    let (tone, state) = standing(subscription);
    let first = &subscription["items"]["data"][0]["price"];
    let buttons = if does_renew(subscription) {
        form(
            "renew",
            &format!(
                r#"{}<button name="outcome" value="paid" aria-describedby="plan-{id}">Renew</button>
<button name="outcome" value="failed" aria-describedby="plan-{id}">Fail the next payment</button>"#,
                hidden("subscription", &id)
            ),
        )
    } else {
        String::new()
    };
    format!(
        r#"<div class="plan">
<p id="plan-{id}"><strong>{name}</strong> <span class="price">{price}</span></p>
<p class="state {tone}">{state}</p>
{buttons}
</div>"#,
        name = escape(product_name(&page.state.products, first)),
        price = escape(&price(subscription)),
    )
}

/// Stripe bills a customer in one currency.
fn buy(page: &Page<'_>, customer: &Value, id: &str) -> String {
    let plans = plans(page, customer["currency"].as_str());
    if plans.is_empty() {
        return String::new();
    }
    form(
        "buy",
        &format!(
            r#"{}<label class="heard" for="buy-{id}">Plan</label><select id="buy-{id}" name="price">{plans}</select>
<button aria-describedby="name-{id}">Buy</button>"#,
            hidden("customer", id)
        ),
    )
}

fn newcomer(page: &Page<'_>) -> String {
    let plans = plans(page, None);
    if plans.is_empty() {
        return section(
            "new",
            "Somebody new",
            "<p>Nothing is for sale: make a price first, or start with the example customers.</p>",
        );
    }
    let fields = format!(
        r#"<p class="into">Makes a customer record under this address, also where it has others.</p>
<label for="new-email">E-mail</label>
<input id="new-email" name="email" inputmode="email" autocomplete="off" autocapitalize="none"
  spellcheck="false" required value="{SOMEBODY_NEW}">
<label for="new-plan">Plan</label><select id="new-plan" name="price">{plans}</select>
<button class="main" aria-describedby="new">Buy</button>"#
    );
    section("new", "Somebody new", &form("buy", &fields))
}

fn plans(page: &Page<'_>, currency: Option<&str>) -> String {
    let is_for_sale = |price: &&Value| {
        price["active"] == true
            && price["recurring"].is_object()
            && currency.is_none_or(|currency| price["currency"] == currency)
    };
    let prices: Vec<&Value> = page
        .state
        .prices
        .iter()
        .filter(is_for_sale)
        .take(MOST)
        .collect();
    prices
        .iter()
        .rev()
        .map(|price| {
            format!(
                "<option value=\"{}\">{}, {}</option>",
                escape(price["id"].as_str().unwrap_or_default()),
                escape(product_name(&page.state.products, price)),
                escape(&price_words::in_words(price, 1)),
            )
        })
        .collect()
}

fn form(action: &str, fields: &str) -> String {
    format!("<form method=\"post\" action=\"/start/{action}\" class=\"choices\">{fields}</form>")
}

fn notice(page: &Page<'_>) -> String {
    let (is_bad, text) = match page.notice {
        "renewed" => (false, "Renewed: the next period has begun, and it is paid."),
        "failed" => (
            false,
            "The next period has begun, and its payment failed. The invoice is open.",
        ),
        "ended" => (false, "The subscription has ended, as it was to."),
        "month" => (
            false,
            "A month has passed. What was due was paid, or was not, as the card on file decides.",
        ),
        "still" => (
            false,
            "A month has passed, and nothing was due: what is billed by the year is renewed by its own button.",
        ),
        "bought" => (false, "Bought, and paid with a Visa."),
        "email" => (
            true,
            "That does not look like an e-mail address. Nothing was bought.",
        ),
        "gone" => (
            true,
            "That could not be done: it has changed meanwhile. This is how things are now.",
        ),
        _ => return String::new(),
    };
    let (class, role) = if is_bad {
        ("notice bad", "alert")
    } else {
        ("notice", "status")
    };
    format!("<p class=\"{class}\" role=\"{role}\">{text}</p>")
}
