//! The start page, `/`: the customers that there are, and buttons for what only time or a customer would
//! bring about. Every change goes the way an API call would go, so that webhooks tell of it. How the page
//! looks is in `view`.

pub mod view;

use axum::{
    Form, Router,
    extract::{Query, Request, State as Shelf},
    http::StatusCode,
    middleware::{Next, from_fn},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    objects::{
        events::Cause,
        purchase::{Buyer, buy},
        renewal::{Outcome, does_renew, renew},
    },
    pages::respond,
    shapes::contact::is_email,
    state::{Shared, State},
    wire::error::ApiError,
};

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/start/renew", post(renew_one))
        .route("/start/month", post(pass_month))
        .route("/start/buy", post(sell))
        .route_layer(from_fn(refuse_other_sites))
        .route("/", get(show))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    notice: String,
    customer: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sent {
    customer: String,
    subscription: String,
    outcome: String,
    email: String,
    price: String,
}

/// No page on the web is to press these buttons. Programs may: they name no site.
async fn refuse_other_sites(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site");
    if site.is_none_or(|site| site == "same-origin" || site == "none") {
        return next.run(request).await;
    }
    StatusCode::FORBIDDEN.into_response()
}

async fn show(Shelf(app): Shelf<Shared>, Query(asked): Query<Asked>) -> Response {
    let state = app.read();
    let page = view::Page {
        state: &state,
        business_name: &app.business_name,
        shop_url: app.shop_url.as_deref(),
        notice: &asked.notice,
        customer: &asked.customer,
    };
    respond(StatusCode::OK, view::page(&page))
}

async fn renew_one(Shelf(app): Shelf<Shared>, Form(sent): Form<Sent>) -> Response {
    let (outcome, notice) = match sent.outcome.as_str() {
        "failed" => (Outcome::Failed, "failed"),
        _ => (Outcome::Paid, "renewed"),
    };
    let mut state = app.write();
    match renew(&mut state, &Cause::portal(), &sent.subscription, outcome) {
        Ok(renewed) => {
            let is_over = renewed["status"] == "canceled";
            let customer = renewed["customer"].as_str().unwrap_or_default();
            back(if is_over { "ended" } else { notice }, customer)
        }
        Err(_) => back("gone", ""),
    }
}

/// What is billed by the month, or more often, begins its next period. A year has not passed.
async fn pass_month(Shelf(app): Shelf<Shared>, Form(sent): Form<Sent>) -> Response {
    let mut state = app.write();
    let ids = due_in_a_month(&state, &sent.customer);
    let notice = if ids.is_empty() { "still" } else { "month" };
    for id in ids {
        // It was there a moment ago, under this very lock.
        let _: Result<Value, ApiError> = renew(&mut state, &Cause::portal(), &id, Outcome::Card);
    }
    back(notice, &sent.customer)
}

fn due_in_a_month(state: &State, customer: &str) -> Vec<String> {
    let is_due = |subscription: &&Value| {
        let price = &subscription["items"]["data"][0]["price"];
        subscription["customer"] == customer
            && does_renew(subscription)
            && price["recurring"]["interval"] != "year"
    };
    let due = state.subscriptions.iter().filter(is_due);
    due.filter_map(|subscription| subscription["id"].as_str().map(str::to_owned))
        .collect()
}

async fn sell(Shelf(app): Shelf<Shared>, Form(sent): Form<Sent>) -> Response {
    let email = sent.email.trim();
    let buyer = match sent.customer.as_str() {
        "" if !is_email(email) => return back("email", ""),
        "" => Buyer::New(email),
        id => Buyer::Known(id),
    };
    match buy(&mut app.write(), &Cause::portal(), buyer, &sent.price) {
        Ok(session) => back("bought", session["customer"].as_str().unwrap_or_default()),
        Err(_) => back("gone", ""),
    }
}

/// To the page, with a word on what happened beside the customer that it is about.
fn back(notice: &str, customer: &str) -> Response {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("notice", notice)
        .append_pair("customer", customer)
        .finish();
    let place: String = form_urlencoded::byte_serialize(customer.as_bytes()).collect();
    Redirect::to(&format!("/?{query}#{place}")).into_response()
}
