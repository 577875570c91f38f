//! Subscriptions: create, retrieve, list, update, cancel, in today's shape, where the billing
//! period stands on the items.

mod build;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

pub use self::build::{Draft, build};
use super::{
    clock::{self, DAY},
    error::{Answer, ApiError},
    events::{Because, Cause},
    ids, invoices,
    params::{Params, nullable},
    state::{Shared, State},
    table::{Created, Page, list},
};

/// The end of a period that begins at `start`.
pub fn period_end(price: &Value, start: i64) -> i64 {
    let count = price["recurring"]["interval_count"].as_i64().unwrap_or(1);
    match price["recurring"]["interval"].as_str() {
        Some("day") => start + count * DAY,
        Some("week") => start + count * 7 * DAY,
        Some("year") => clock::add_months(start, count * 12),
        _ => clock::add_months(start, count),
    }
}

/// Stripe's portal sets a date to end at and leaves `cancel_at_period_end` alone; the API parameter
/// sets both.
pub fn schedule_end(subscription: &mut Value, at: i64, at_period_end: bool) {
    subscription["cancel_at"] = subscription["items"]["data"][0]["current_period_end"].clone();
    subscription["cancel_at_period_end"] = json!(at_period_end);
    subscription["canceled_at"] = json!(at);
    subscription["cancellation_details"]["reason"] = json!("cancellation_requested");
}

pub fn unschedule_end(subscription: &mut Value) {
    subscription["cancel_at"] = Value::Null;
    subscription["cancel_at_period_end"] = json!(false);
    subscription["canceled_at"] = Value::Null;
    subscription["cancellation_details"]["reason"] = Value::Null;
}

/// Ends it now. "Deleted" is Stripe's word for canceled: the object stays.
pub fn end(state: &mut State, cause: &Cause, mut subscription: Value) -> Value {
    subscription["status"] = json!("canceled");
    subscription["canceled_at"] = json!(cause.at);
    subscription["ended_at"] = json!(cause.at);
    subscription["cancellation_details"]["reason"] = json!("cancellation_requested");
    state.emit(cause, "customer.subscription.deleted", &subscription);
    state.subscriptions.put(subscription.clone());
    subscription
}

impl State {
    pub fn update_subscription(&mut self, cause: &Cause, after: Value) {
        if let Some(before) = self
            .subscriptions
            .get(after["id"].as_str().unwrap_or_default())
            .cloned()
        {
            self.emit_update(cause, "customer.subscription.updated", &before, &after);
            self.subscriptions.put(after);
        }
    }
}

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    let mut items = params
        .groups("items")?
        .ok_or_else(|| ApiError::missing("items"))?;
    let (Some(mut item), true) = (items.pop(), items.is_empty()) else {
        return Err(ApiError::invalid(
            "items",
            "The stand-in knows subscriptions of one item.",
        ));
    };
    let price = item.required("price")?;
    let quantity = item.integer("quantity")?.unwrap_or(1);
    item.finish()?;
    let trial = params
        .integer("trial_period_days")?
        .filter(|days| (1..=730).contains(days));
    let card = params.text("default_payment_method")?;
    let description = nullable(params.text("description")?.unwrap_or_default());
    let mut more = json!({ "metadata": {}, "description": description });
    params.metadata(&mut more["metadata"])?;
    params.ignore(&[
        "collection_method",
        "currency",
        "days_until_due",
        "off_session",
        "payment_behavior",
    ]);
    params.finish()?;

    let mut state = app.write();
    let mut after = state
        .customer(&customer)
        .cloned()
        .ok_or_else(|| ApiError::no_such_param("customer", "customer", &customer))?;
    let price = state
        .prices
        .get(&price)
        .cloned()
        .ok_or_else(|| ApiError::no_such_param("items[0][price]", "price", &price))?;
    if price["recurring"].is_null() {
        return Err(ApiError::invalid(
            "items[0][price]",
            "The price specified is set to `type=one_time` but this field only accepts \
              prices with `type=recurring`.",
        ));
    }
    if card.as_ref().is_some_and(|card| {
        state
            .payment_methods
            .get(card)
            .is_none_or(|card| card["customer"] != *customer)
    }) {
        return Err(ApiError::no_such_param(
            "default_payment_method",
            "PaymentMethod",
            card.as_deref().unwrap_or_default(),
        ));
    }
    let now = because.at;
    let mut subscription = build(Draft {
        id: ids::long("sub_"),
        item: ids::short("si_"),
        customer: &customer,
        price: &price,
        quantity,
        status: if trial.is_some() {
            "trialing"
        } else {
            "active"
        },
        created: now,
        period: (
            now,
            trial.map_or_else(|| period_end(&price, now), |days| now + days * DAY),
        ),
    });
    subscription["metadata"] = more["metadata"].take();
    subscription["description"] = more["description"].take();
    subscription["default_payment_method"] = json!(card);
    let invoice = invoices::for_subscription(
        &mut state,
        &mut after,
        &subscription,
        &ids::long("in_"),
        invoices::Standing::Paid,
    );
    subscription["latest_invoice"] = invoice["id"].clone();
    after["currency"] = price["currency"].clone();
    state.emit(&because, "customer.subscription.created", &subscription);
    state.subscriptions.put(subscription.clone());
    state.update_customer(&because, after);
    state.emit(&because, "invoice.paid", &invoice);
    Ok(Json(subscription))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let subscription = app.read().subscriptions.get(&id).cloned();
    subscription
        .map(Json)
        .ok_or_else(|| ApiError::no_such("subscription", &id))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut subscription = state
        .subscriptions
        .get(&id)
        .cloned()
        .ok_or_else(|| ApiError::no_such("subscription", &id))?;
    match params.flag("cancel_at_period_end")? {
        Some(_) if subscription["status"] == "canceled" => {
            return Err(ApiError::invalid(
                "cancel_at_period_end",
                "A canceled subscription can only update its cancellation_details and metadata.",
            ));
        }
        Some(true) => schedule_end(&mut subscription, because.at, true),
        Some(false) => unschedule_end(&mut subscription),
        None => {}
    }
    if let Some(description) = params.text("description")? {
        subscription["description"] = nullable(description);
    }
    params.metadata(&mut subscription["metadata"])?;
    params.finish()?;
    state.update_subscription(&because, subscription.clone());
    Ok(Json(subscription))
}

pub async fn cancel(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    params.ignore(&["cancellation_details", "invoice_now", "prorate"]);
    params.finish()?;
    let mut state = app.write();
    let running = state
        .subscriptions
        .get(&id)
        .filter(|subscription| subscription["status"] != "canceled")
        .cloned();
    let subscription = running.ok_or_else(|| ApiError::no_such("subscription", &id))?;
    Ok(Json(end(&mut state, &because, subscription)))
}

/// Canceled ones are left out unless asked for.
pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::from(&mut params)?;
    let created = Created::from(&mut params)?;
    let customer = params.text("customer")?;
    let price = params.text("price")?;
    let status = params.text("status")?;
    params.finish()?;
    let (data, more) = app
        .read()
        .subscriptions
        .page(&page, "subscription", |subscription| {
            let is = subscription["status"].as_str().unwrap_or_default();
            let right_status = match status.as_deref() {
                None => is != "canceled",
                Some("all") => true,
                Some("ended") => matches!(is, "canceled" | "incomplete_expired"),
                Some(status) => is == status,
            };
            right_status
                && created.holds(subscription)
                && customer
                    .as_ref()
                    .is_none_or(|customer| subscription["customer"] == **customer)
                && price
                    .as_ref()
                    .is_none_or(|price| subscription["items"]["data"][0]["price"]["id"] == **price)
        })?;
    Ok(Json(list("/v1/subscriptions", data, more)))
}
