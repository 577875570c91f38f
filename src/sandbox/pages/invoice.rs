//! Where the links of an invoice lead: a page that shows it, and the same as PDF.

use axum::{
    Router,
    extract::{Path, State as Shelf},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;

use super::{
    super::{clock, prices::money, state::Shared},
    document, escape, nothing_here, pdf, respond, section,
};

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/i/{id}", get(show))
        .route("/i/{id}/pdf", get(download))
}

async fn show(Shelf(app): Shelf<Shared>, Path(id): Path<String>) -> Response {
    let Some(invoice) = published(&app, &id) else {
        return nothing_here();
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
        "<header><h1>Invoice {number}</h1></header>{}{}",
        section("facts", "Summary", &facts),
        section("lines", "Lines", &format!("<ul>{rows}</ul>{pdf}")),
    );
    respond(
        StatusCode::OK,
        document(&format!("Invoice {number}"), &content),
    )
}

async fn download(Shelf(app): Shelf<Shared>, Path(id): Path<String>) -> Response {
    let Some(invoice) = published(&app, &id) else {
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
fn published(app: &Shared, id: &str) -> Option<Value> {
    let state = app.read();
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
    vec![
        format!("From {business} to {name}"),
        format!("Date: {day}"),
        format!("Status: {}", text(invoice, "status")),
        format!("Total: {}", amount(invoice, &invoice["total"])),
        format!(
            "Amount due: {}",
            amount(invoice, &invoice["amount_remaining"])
        ),
    ]
}

/// What the invoice is for, each with its sum.
fn parts(invoice: &Value) -> Vec<(String, String)> {
    let lines = invoice["lines"]["data"].as_array();
    lines
        .into_iter()
        .flatten()
        .map(|line| {
            (
                text(line, "description").to_owned(),
                amount(invoice, &line["amount"]),
            )
        })
        .collect()
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
