//! Where the links of an invoice lead: a page that shows it, on which an open one can be paid, and
//! the same as PDF.

use axum::{
    Form, Router,
    extract::{Path, Query, State as Shelf},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    objects::{billing, events::Cause, payment_methods},
    pages::{card_choices, document, escape, nothing_here, pdf, respond, section},
    shapes::{
        cards::{self, Charge},
        price_words::money,
    },
    state::{Shared, State},
    wire::clock,
};

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/i/{id}", get(show).post(pay))
        .route("/i/{id}/pdf", get(download))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    notice: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sent {
    card: String,
}

async fn show(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let invoice = published(&app.read(), &id);
    let Some(invoice) = invoice else {
        return nothing_here();
    };
    let notice = match (text(&invoice, "status"), asked.notice.as_str()) {
        ("paid", _) => "<p class=\"notice\" role=\"status\">This is paid. Thank you.</p>",
        ("open", "declined") => {
            "<p class=\"notice bad\" role=\"alert\">The card was declined. Choose another one.</p>"
        }
        _ => "",
    };
    let rows: String = parts(&invoice)
        .into_iter()
        .map(|(what, amount)| {
            format!(
                "<li><p>{}</p><p class=\"figures\">{}</p></li>",
                escape(&what),
                escape(&amount)
            )
        })
        .collect();
    let number = escape(text(&invoice, "number"));
    let facts: String = facts(&app.business_name, &invoice)
        .into_iter()
        .map(|fact| format!("<p>{}</p>", escape(&fact)))
        .collect();
    let pdf = format!(
        "<p class=\"after\"><a href=\"/i/{}/pdf\">PDF</a></p>",
        escape(&id)
    );
    let content = format!(
        "<header><h1>Invoice {number}</h1></header>{notice}{}{}{}",
        section("facts", "Summary", &facts),
        section("lines", "Lines", &format!("<ul>{rows}</ul>{pdf}")),
        form(&id, &invoice),
    );
    respond(
        StatusCode::OK,
        document(&format!("Invoice {number}"), &content),
    )
}

/// What an open invoice is paid with.
fn form(id: &str, invoice: &Value) -> String {
    if invoice["status"] != "open" {
        return String::new();
    }
    let fields = format!(
        "<form method=\"post\" action=\"/i/{}\">{}<button class=\"main\">Pay {}</button></form>",
        escape(id),
        card_choices(),
        escape(&amount(invoice, &invoice["amount_remaining"])),
    );
    section("pay", "Pay with", &fields)
}

async fn pay(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    Form(sent): Form<Sent>,
) -> Response {
    let mut state = app.write();
    let Some(invoice) = published(&state, &id) else {
        return nothing_here();
    };
    let here = format!("/i/{id}");
    if invoice["status"] != "open" || charge(&mut state, &id, &sent.card) {
        return Redirect::to(&here).into_response();
    }
    Redirect::to(&format!("{here}?notice=declined")).into_response()
}

/// Whether the card does not refuse.
fn charge(state: &mut State, invoice: &str, card: &str) -> bool {
    let Ok(method) = payment_methods::resolve(state, card) else {
        return false;
    };
    let outcome = match cards::charge(&method) {
        // Whom the bank wants to see is on the page already.
        Charge::NeedsOwner => Charge::Succeeds,
        outcome => outcome,
    };
    state.payment_methods.put(method.clone());
    billing::collect(state, &Cause::portal(), invoice, &method, outcome);
    matches!(outcome, Charge::Succeeds | Charge::Pends)
}

async fn download(Shelf(app): Shelf<Shared>, Path(id): Path<String>) -> Response {
    let invoice = published(&app.read(), &id);
    let Some(invoice) = invoice else {
        return nothing_here();
    };
    let mut lines = vec![
        format!("Invoice {}", text(&invoice, "number")),
        String::new(),
    ];
    lines.extend(facts(&app.business_name, &invoice));
    lines.push(String::new());
    lines.extend(
        parts(&invoice)
            .into_iter()
            .map(|(what, amount)| format!("{what}: {amount}")),
    );
    let headers = [
        ("cache-control", "no-store"),
        ("content-type", "application/pdf"),
        ("content-disposition", "inline; filename=\"invoice.pdf\""),
        ("x-content-type-options", "nosniff"),
    ];
    (headers, pdf::page(&lines)).into_response()
}

/// A draft has no page yet.
fn published(state: &State, id: &str) -> Option<Value> {
    let invoice = state.invoices.get(id)?;
    invoice["hosted_invoice_url"]
        .is_string()
        .then(|| invoice.clone())
}

fn facts(business: &str, invoice: &Value) -> Vec<String> {
    let name = ["customer_name", "customer_email", "customer"]
        .map(|field| text(invoice, field))
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default();
    let day = clock::in_words(invoice["created"].as_i64().unwrap_or_default());
    let mut facts = vec![
        format!("From {business} to {name}"),
        format!("Date: {day}"),
        format!("Status: {}", text(invoice, "status")),
        format!("Total: {}", amount(invoice, &invoice["total"])),
        format!(
            "Amount due: {}",
            amount(invoice, &invoice["amount_remaining"])
        ),
    ];
    if let Some(day) = invoice["due_date"].as_i64() {
        facts.push(format!("Due date: {}", clock::in_words(day)));
    }
    facts
}

/// What the invoice is for, and what discounts take off, each with its sum.
fn parts(invoice: &Value) -> Vec<(String, String)> {
    let lines = invoice["lines"]["data"].as_array();
    let lines = lines.into_iter().flatten().map(|line| {
        (
            text(line, "description").to_owned(),
            amount(invoice, &line["amount"]),
        )
    });
    let discounts = invoice["total_discount_amounts"].as_array();
    let discounts = discounts.into_iter().flatten().map(|discount| {
        let off = discount["amount"].as_i64().unwrap_or_default();
        ("Discount".to_owned(), amount(invoice, &Value::from(-off)))
    });
    lines.chain(discounts).collect()
}

fn amount(invoice: &Value, amount: &Value) -> String {
    money(
        amount.as_i64().unwrap_or_default(),
        text(invoice, "currency"),
    )
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use tokio::sync::watch;

    use crate::{delivery, seed, state::App};

    use super::*;

    async fn pay_with(app: &Shared, id: &str, card: &str) -> String {
        let card = card.to_owned();
        let answer = pay(Shelf(app.clone()), Path(id.to_owned()), Form(Sent { card }));
        let answer = answer.await;
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn a_visitor_pays_what_is_overdue() {
        let mut state = State::default();
        seed::fill(&mut state, clock::now());
        let is_open = |invoice: &&Value| {
            invoice["status"] == "open" && invoice["customer"] == "cus_SeedAda0000002"
        };
        let open = state.invoices.iter().find(is_open).unwrap().clone();
        let id = text(&open, "id");
        let (_stop, stopped) = watch::channel(false);
        let app = Arc::new(App::new(
            state,
            String::new(),
            None,
            delivery::client().unwrap(),
            stopped,
        ));

        let here = format!("/i/{id}");
        let declined = pay_with(&app, id, "pm_card_chargeDeclined").await;
        assert_eq!(declined, format!("{here}?notice=declined"));
        assert_eq!(pay_with(&app, id, "pm_card_visa").await, here);
        let known = app.read().events.len();
        assert_eq!(
            pay_with(&app, id, "pm_card_visa").await,
            here,
            "a second time"
        );

        let state = app.read();
        assert_eq!(state.events.len(), known);
        let paid = state.invoices.get(id).unwrap();
        assert_eq!(
            (&paid["status"], &paid["amount_remaining"]),
            (&json!("paid"), &json!(0))
        );
        let subscription = state.subscriptions.get("sub_1SeedAda0000002").unwrap();
        assert_eq!(subscription["status"], "active");
        let customer = state.customer("cus_SeedAda0000002").unwrap();
        assert_eq!(customer["delinquent"], false);
        let last = |kind: &str| {
            let event = state.events.iter().find(|event| event["type"] == kind);
            event.unwrap()["data"]["object"]["id"].clone()
        };
        assert_eq!(last("invoice.paid"), json!(id));
        assert_eq!(last("customer.subscription.updated"), subscription["id"]);
        let payment = last("invoice_payment.paid");
        let payment = state.invoice_payments.get(payment.as_str().unwrap());
        assert_eq!(payment.unwrap()["invoice"], json!(id));
    }
}
