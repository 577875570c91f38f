//! The page that a checkout session leads to: what is bought, and a card to pay with.

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
    objects::{checkout::complete, events::Cause, payment_methods},
    pages::{card_choices, document, escape, nothing_here, respond, section},
    shapes::price_words::{in_words, money},
    state::{Shared, State},
    wire::error::ApiError,
};

pub fn router() -> Router<Shared> {
    Router::new().route("/c/pay/{id}", get(show).post(pay))
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
    let session = app.read().checkout_sessions.get(&id).cloned();
    let Some(session) = session else {
        return nothing_here();
    };
    let notice = match (asked.notice.as_str(), session["status"].as_str()) {
        (_, Some("complete")) => "<p class=\"notice\" role=\"status\">This is paid. Thank you.</p>",
        (_, Some("expired")) => {
            "<p class=\"notice bad\" role=\"alert\">This session has expired.</p>"
        }
        ("declined", _) => {
            "<p class=\"notice bad\" role=\"alert\">The card was declined. Choose another one.</p>"
        }
        _ => "",
    };
    let form = if session["status"] == "open" {
        let form = format!(
            "<form method=\"post\" action=\"/c/pay/{}\">{}<button class=\"main\">Pay</button></form>",
            escape(&id),
            card_choices()
        );
        section("pay", "Pay with", &form)
    } else {
        String::new()
    };
    let content = format!(
        "{}<header><h1>{}</h1></header>{notice}{}{form}",
        way_back(&session),
        escape(&app.business_name),
        section("order", "Your order", &order(&session)),
    );
    respond(StatusCode::OK, document("Checkout", &content))
}

fn way_back(session: &Value) -> String {
    let url = session["cancel_url"].as_str().map(escape);
    url.map_or_else(String::new, |url| {
        format!("<nav><a href=\"{url}\"><span aria-hidden=\"true\">←</span>Back</a></nav>")
    })
}

fn order(session: &Value) -> String {
    let lines: String = session["line_items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|line| {
            let quantity = line["quantity"].as_i64().unwrap_or(1);
            format!(
                "<li><p>{quantity} × {}</p><p class=\"figures\">{}</p></li>",
                escape(line["description"].as_str().unwrap_or_default()),
                escape(&in_words(&line["price"], quantity)),
            )
        })
        .collect();
    let total = session["amount_total"].as_i64().map(|total| {
        let currency = session["currency"].as_str().unwrap_or_default();
        format!("<p>Due today: {}</p>", escape(&money(total, currency)))
    });
    format!("<ul>{lines}</ul>{}", total.unwrap_or_default())
}

async fn pay(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    Form(sent): Form<Sent>,
) -> Response {
    let mut state = app.write();
    if state.checkout_sessions.get(&id).is_none() {
        return nothing_here();
    }
    let here = format!("/c/pay/{id}");
    match complete_by_visitor(&mut state, &id, &sent.card) {
        Ok(session) => {
            let next = session["success_url"]
                .as_str()
                .map(|url| url.replace("{CHECKOUT_SESSION_ID}", &id));
            Redirect::to(&next.unwrap_or(here)).into_response()
        }
        Err(_) => Redirect::to(&format!("{here}?notice=declined")).into_response(),
    }
}

/// For the page, whose visitor may choose a card.
fn complete_by_visitor(state: &mut State, id: &str, card: &str) -> Result<Value, ApiError> {
    let method = payment_methods::resolve(state, card)?;
    complete(state, &Cause::portal(), id, Some(method))
}
