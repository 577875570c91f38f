//! Invoices: of subscriptions, which come by themselves, and single ones, which a shop writes.

mod actions;
mod billing;
mod build;
pub mod items;
mod lines;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

pub use self::{
    actions::{delete, finalize, mark_uncollectible, missing_method, pay, send, void},
    billing::{ask, collect, count_attempt, fail, number, open, settle, settle_payment},
    build::{Draft, build},
};
use super::{
    clock::DAY,
    discounts::{self, Wish},
    error::{Answer, ApiError},
    events::{Because, Cause},
    ids,
    listing::{Fields, Page, list, part},
    objects::cut,
    params::{Params, nullable},
    payment_methods::Charge,
    state::{Shared, State},
};

/// The draft for the period of the subscription that runs now. The discounts come with their coupons.
pub fn for_subscription(
    state: &State,
    customer: &Value,
    subscription: &Value,
    discounts: &[Value],
    id: &str,
    created: i64,
    since: Option<i64>,
) -> Value {
    let reason = if since.is_some() {
        "subscription_cycle"
    } else {
        "subscription_create"
    };
    let start = subscription["items"]["data"][0]["current_period_start"]
        .as_i64()
        .unwrap_or(created);
    let mut invoice = build(Draft {
        id,
        customer,
        currency: &subscription["currency"],
        created,
        period: (since.unwrap_or(start), start),
        reason,
        subscription: Some(subscription),
        lines: lines::of_subscription(state, subscription),
    });
    build::discount(&mut invoice, discounts);
    if invoice["collection_method"] == "send_invoice" {
        let days = subscription["days_until_due"].as_i64().unwrap_or(30);
        invoice["due_date"] = json!(created + days.clamp(0, 10_000) * DAY);
    }
    invoice
}

/// Bills the subscription: from draft to paid, or as far as it goes. Without a way to pay it stays
/// open.
pub fn bill(state: &mut State, cause: &Cause, draft: Value, payment: Option<(&Value, Charge)>) {
    let id = draft["id"].as_str().unwrap_or_default().to_owned();
    let nothing_due = draft["amount_due"] == 0;
    let automatic = draft["collection_method"] == "charge_automatically";
    let discounted = draft["total_discount_amounts"].clone();
    billing::issue(state, cause, draft);
    billing::finalize(state, cause, &id);
    discounts::spend(state, cause, &discounted);
    if let Some((method, outcome)) = payment.filter(|_| automatic && !nothing_due) {
        billing::collect(state, cause, &id, method, outcome);
    }
}

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    let collection = params.choice(
        "collection_method",
        &["charge_automatically", "send_invoice"],
    )?;
    let days = params.integer("days_until_due")?;
    let due_date = params.integer("due_date")?;
    let behavior = params.choice("pending_invoice_items_behavior", &["exclude", "include"])?;
    let currency = params.text("currency")?;
    let sent = collection.as_deref() == Some("send_invoice");
    if sent && days.is_none() && due_date.is_none() {
        return Err(ApiError::invalid(
            "days_until_due",
            "If invoice collection method is 'send_invoice', you must specify 'days_until_due' or \
             'due_date'.",
        ));
    }
    let mut state = app.write();
    let customer = state.named_customer(&customer)?;
    let id = ids::long("in_");
    let mut invoice = build(Draft {
        id: &id,
        customer: &customer,
        currency: &json!(null),
        created: because.at,
        period: (because.at, because.at),
        reason: "manual",
        subscription: None,
        lines: Vec::new(),
    });
    apply(&mut invoice, &mut params)?;
    params.ignore(&["automatic_tax"]);
    params.finish()?;
    if sent {
        invoice["collection_method"] = json!("send_invoice");
        let due = due_date.or(days.map(|days| because.at + days.clamp(0, 10_000) * DAY));
        invoice["due_date"] = json!(due);
    }
    if behavior.as_deref() == Some("include") {
        let owner = customer["id"].as_str().unwrap_or_default();
        let lines = items::take(&mut state, owner, &id);
        build::add_lines(&mut invoice, lines);
    }
    let own = invoice["lines"]["data"][0]["currency"].clone();
    invoice["currency"] = [own, json!(currency), customer["currency"].clone()]
        .into_iter()
        .find(Value::is_string)
        .unwrap_or_else(|| json!("usd"));
    billing::issue(&mut state, &because, invoice.clone());
    Ok(Json(cut(invoice)))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut invoice = state.invoices.find("invoice", &id)?.clone();
    apply(&mut invoice, &mut params)?;
    params.finish()?;
    state.update_invoice(&because, invoice.clone());
    Ok(Json(cut(invoice)))
}

/// What creation and update share.
fn apply(invoice: &mut Value, params: &mut Params) -> Result<(), ApiError> {
    for field in ["description", "footer", "statement_descriptor"] {
        if let Some(text) = params.text(field)? {
            invoice[field] = nullable(text);
        }
    }
    if let Some(method) = params.text("default_payment_method")? {
        invoice["default_payment_method"] = nullable(method);
    }
    if let Some(flag) = params.flag("auto_advance")? {
        invoice["auto_advance"] = json!(flag);
    }
    params.metadata(&mut invoice["metadata"])
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    let wish = Wish::from(&params, "discounts");
    params.finish()?;
    let state = app.read();
    let invoice = state.invoices.find("invoice", &id)?.clone();
    Ok(Json(wish.show(&state, cut(invoice))))
}

/// `GET /v1/invoices/{id}/lines`: all of them.
pub async fn lines(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    mut params: Params,
) -> Answer {
    let page = Page::from(&mut params)?;
    params.finish()?;
    let state = app.read();
    let invoice = state.invoices.find("invoice", &id)?;
    let rows = invoice["lines"]["data"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let (data, more) = part(rows, &page, "line item")?;
    Ok(Json(list(&format!("/v1/invoices/{id}/lines"), data, more)))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::dated(&mut params)?;
    let fields = Fields::from(
        &mut params,
        &[
            ("collection_method", "/collection_method"),
            ("customer", "/customer"),
            ("status", "/status"),
            ("subscription", "/parent/subscription_details/subscription"),
        ],
    )?;
    let wish = Wish::from(&params, "discounts");
    params.finish()?;
    let state = app.read();
    let (data, more) = state
        .invoices
        .page(&page, "invoice", |invoice| fields.hold(invoice))?;
    let data = data
        .into_iter()
        .map(|invoice| wish.show(&state, cut(invoice)))
        .collect();
    Ok(Json(list("/v1/invoices", data, more)))
}
