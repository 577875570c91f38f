//! The hosted portal page: what its forms do. Every change goes the way an API call would go, so
//! that webhooks tell of it. How the page looks is in `view`.

pub mod page;
pub mod parts;
pub mod view;

use axum::{
    Form, Router,
    extract::{Path, Query, State as Shelf},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    objects::{billing, events::Cause, payment_methods},
    pages::{
        portal::page::{Page, View},
        respond,
    },
    shapes::{
        cards::{self, Charge},
        contact, subscriptions,
    },
    state::{Shared, State, portal_session::PortalSession},
    wire::{
        clock, ids,
        params::{first, nullable},
    },
};

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/p/session/{token}", get(show))
        .route("/p/session/{token}/details", post(save_details))
        .route("/p/session/{token}/card", post(save_card))
        .route("/p/session/{token}/cancel", post(cancel))
        .route("/p/session/{token}/plan", post(change_plan))
        .route("/p/session/{token}/resume", post(resume))
        .route("/p/session/{token}/pay", post(pay))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    view: String,
    subscription: String,
    notice: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Sent {
    name: String,
    email: String,
    card: String,
    price: String,
    subscription: String,
    invoice: String,
}

/// Where a form leads: back to the page with a word on what happened, or to the page that an
/// expired link deserves.
type Outcome = Result<Response, Response>;

async fn show(
    Shelf(app): Shelf<Shared>,
    Path(token): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    let mut state = app.write();
    let Some((session, customer)) = visit(&mut state, &token) else {
        return gone(&app.business_name);
    };
    let of_customer = |row: &&Value| row["customer"] == *session.customer;
    let subscriptions: Vec<&Value> = state.subscriptions.iter().filter(of_customer).collect();
    let card = customer["invoice_settings"]["default_payment_method"]
        .as_str()
        .and_then(|id| state.payment_methods.get(id));
    let flow = session.flow["type"].as_str().unwrap_or_default();
    let view = match (asked.view.as_str(), flow) {
        ("card", _) | ("", "payment_method_update") => View::Card,
        ("cancel", _) => view_of(View::Cancel, &subscriptions, &asked.subscription),
        ("plans", _) => view_of(View::Plans, &subscriptions, &asked.subscription),
        ("", "subscription_cancel") => {
            view_of(View::Cancel, &subscriptions, flow_subscription(&session))
        }
        ("", "subscription_update" | "subscription_update_confirm") => {
            view_of(View::Plans, &subscriptions, flow_subscription(&session))
        }
        _ => View::Home,
    };
    let page = Page {
        token: &token,
        business_name: &app.business_name,
        return_url: session.return_url.as_deref(),
        customer: &customer,
        card,
        subscriptions: &subscriptions,
        invoices: state.invoices.iter().filter(of_customer).collect(),
        products: &state.products,
        prices: &state.prices,
        notice: &asked.notice,
        confirmation: session.flow["after_completion"]["hosted_confirmation"]["custom_message"]
            .as_str(),
    };
    respond(StatusCode::OK, view::page(&page, view))
}

fn view_of<'a>(
    view: impl Fn(&'a Value) -> View<'a>,
    subscriptions: &[&'a Value],
    id: &str,
) -> View<'a> {
    let running = subscriptions
        .iter()
        .find(|subscription| subscription["id"] == *id && subscription["status"] != "canceled");
    running.map_or(View::Home, |subscription| view(subscription))
}

fn flow_subscription(session: &PortalSession) -> &str {
    let kind = session.flow["type"].as_str().unwrap_or_default();
    session.flow[kind]["subscription"]
        .as_str()
        .unwrap_or_default()
}

async fn save_details(
    Shelf(app): Shelf<Shared>,
    Path(token): Path<String>,
    Form(sent): Form<Sent>,
) -> Outcome {
    let mut state = app.write();
    let (_, mut customer) = visit(&mut state, &token).ok_or_else(|| gone(&app.business_name))?;
    let email = sent.email.trim();
    if !email.is_empty() && !contact::is_email(email) {
        return Ok(back(&token, "email"));
    }
    customer["email"] = nullable(email.to_owned());
    customer["name"] = nullable(first(sent.name.trim(), 256));
    state.update_customer(&Cause::portal(), customer);
    Ok(back(&token, "details"))
}

async fn save_card(
    Shelf(app): Shelf<Shared>,
    Path(token): Path<String>,
    Form(sent): Form<Sent>,
) -> Outcome {
    let mut state = app.write();
    let (session, mut customer) =
        visit(&mut state, &token).ok_or_else(|| gone(&app.business_name))?;
    let Some(chosen) = cards::find(&sent.card).filter(|card| card.charge != Charge::Declined)
    else {
        return Ok(
            Redirect::to(&format!("/p/session/{token}?view=card&notice=declined")).into_response(),
        );
    };
    let cause = Cause::portal();
    let card = cards::build(&ids::long("pm_"), chosen, cause.at);
    customer["invoice_settings"]["default_payment_method"] = card["id"].clone();
    payment_methods::attach(&mut state, &cause, card, &customer);
    state.update_customer(&cause, customer);
    Ok(completed(&session, &token, "payment_method_update", "card"))
}

async fn cancel(
    Shelf(app): Shelf<Shared>,
    Path(token): Path<String>,
    Form(sent): Form<Sent>,
) -> Outcome {
    let mut state = app.write();
    let (session, _) = visit(&mut state, &token).ok_or_else(|| gone(&app.business_name))?;
    let cause = Cause::portal();
    if let Some(mut subscription) = theirs(&state, &session, &sent.subscription) {
        subscriptions::schedule_end(&mut subscription, cause.at, false);
        state.update_subscription(&cause, subscription);
    }
    Ok(completed(&session, &token, "subscription_cancel", "cancel"))
}

/// A plan of another rhythm begins its period now.
async fn change_plan(
    Shelf(app): Shelf<Shared>,
    Path(token): Path<String>,
    Form(sent): Form<Sent>,
) -> Outcome {
    let mut state = app.write();
    let (session, _) = visit(&mut state, &token).ok_or_else(|| gone(&app.business_name))?;
    let cause = Cause::portal();
    let price = state.prices.get(&sent.price).cloned();
    let subscription = theirs(&state, &session, &sent.subscription);
    if let (Some(mut subscription), Some(price)) = (subscription, price)
        && price["active"] == true
        && price["recurring"].is_object()
        && price["currency"] == subscription["currency"]
    {
        subscriptions::set_price(&mut subscription["items"]["data"][0], &price, cause.at);
        state.update_subscription(&cause, subscription);
    }
    Ok(completed(&session, &token, "subscription_update", "plan"))
}

async fn resume(
    Shelf(app): Shelf<Shared>,
    Path(token): Path<String>,
    Form(sent): Form<Sent>,
) -> Outcome {
    let mut state = app.write();
    let (session, _) = visit(&mut state, &token).ok_or_else(|| gone(&app.business_name))?;
    if let Some(mut subscription) = theirs(&state, &session, &sent.subscription) {
        subscriptions::unschedule_end(&mut subscription);
        state.update_subscription(&Cause::portal(), subscription);
    }
    Ok(back(&token, "resume"))
}

async fn pay(
    Shelf(app): Shelf<Shared>,
    Path(token): Path<String>,
    Form(sent): Form<Sent>,
) -> Outcome {
    let mut state = app.write();
    let (session, _) = visit(&mut state, &token).ok_or_else(|| gone(&app.business_name))?;
    let open =
        |invoice: &&Value| invoice["customer"] == *session.customer && invoice["status"] == "open";
    let Some(invoice) = state.invoices.get(&sent.invoice).filter(open).cloned() else {
        return Ok(back(&token, ""));
    };
    let card = state.payment_method_for(&invoice, &session.customer);
    let paid = card.is_some_and(|card| {
        let outcome = cards::charge(&card);
        billing::collect(&mut state, &Cause::portal(), &sent.invoice, &card, outcome);
        outcome == Charge::Succeeds
    });
    if !paid {
        return Ok(
            Redirect::to(&format!("/p/session/{token}?view=card&notice=unpaid")).into_response(),
        );
    }
    Ok(back(&token, "paid"))
}

fn visit(state: &mut State, token: &str) -> Option<(PortalSession, Value)> {
    let session = state.visit_portal(token, clock::now())?;
    let customer = state.customer(&session.customer)?;
    Some((session, customer))
}

/// A subscription that still runs and belongs to the customer of the session.
fn theirs(state: &State, session: &PortalSession, id: &str) -> Option<Value> {
    let subscription = state.subscriptions.get(id)?;
    (subscription["customer"] == *session.customer && subscription["status"] != "canceled")
        .then(|| subscription.clone())
}

fn back(token: &str, notice: &str) -> Response {
    Redirect::to(&format!("/p/session/{token}?view=home&notice={notice}")).into_response()
}

/// A flow that was carried out may lead straight back to the shop.
fn completed(session: &PortalSession, token: &str, flow: &str, notice: &str) -> Response {
    let completion = &session.flow["after_completion"];
    match completion["redirect"]["return_url"].as_str() {
        Some(url) if session.flow["type"] == *flow && completion["type"] == "redirect" => {
            Redirect::to(url).into_response()
        }
        _ => back(token, notice),
    }
}

fn gone(business_name: &str) -> Response {
    respond(StatusCode::NOT_FOUND, view::gone(business_name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_session_reaches_no_subscription_of_another_customer() {
        let mut state = State::default();
        state.subscriptions.put(
            json!({ "id": "sub_1", "created": 1, "customer": "cus_other", "status": "active" }),
        );
        let session: PortalSession = serde_json::from_value(
            json!({ "customer": "cus_1", "return_url": null, "flow": null, "expires_at": 9 }),
        )
        .unwrap();
        assert!(theirs(&state, &session, "sub_1").is_none());
    }
}
