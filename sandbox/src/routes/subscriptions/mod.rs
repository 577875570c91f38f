//! Subscriptions: create, retrieve, list, update, cancel.

pub mod create;
pub mod items;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    objects::{
        discounts::{self, Wish},
        renewal,
        subscriptions::end,
    },
    routes::{Because, read::Kind},
    shapes::subscriptions::{self, schedule_end, unschedule_end},
    state::{Shared, State},
    wire::{
        error::{Answer, ApiError},
        json::cut,
        listing::Fields,
        params::{Params, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "subscription",
    url: "/v1/subscriptions",
    table: |state| &state.subscriptions,
    dated: true,
};

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    let wish = Wish::from(&params, "discounts");
    KIND.retrieve(&app, &id, params, |state, found| {
        wish.show(state, cut(found))
    })
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut subscription = state.subscriptions.find("subscription", &id)?.clone();
    let canceled = subscription["status"] == "canceled";
    read_end(&mut subscription, &mut params, because.at)?;
    let changed = params.groups("items")?;
    if let Some(groups) = changed {
        items::change(&state, &mut subscription, groups, because.at)?;
    }
    if let Some(description) = params.text("description")? {
        subscription["description"] = nullable(description);
    }
    if let Some(card) = params.text("default_payment_method")? {
        if !card.is_empty() {
            let customer = subscription["customer"].as_str().unwrap_or_default();
            create::check_card(&state, &card, customer)?;
        }
        subscription["default_payment_method"] = nullable(card);
    }
    let trial_ends =
        params.choice("trial_end", &["now"])?.is_some() && subscription["status"] == "trialing";
    if trial_ends {
        end_trial(&state, &mut subscription, because.at);
    }
    let had = discounts::of_subscription(&state, &subscription);
    let wanted = params
        .groups("discounts")?
        .map(|groups| discounts::read(&state, groups, &had, because.at))
        .transpose()?;
    let changes = wanted.is_some() || state.subscriptions.get(&id) != Some(&subscription);
    if canceled && changes {
        return Err(ApiError::invalid(
            "id",
            "A canceled subscription can only update its cancellation_details and metadata.",
        ));
    }
    params.metadata(&mut subscription["metadata"])?;
    params.ignore(&[
        "off_session",
        "payment_behavior",
        "payment_settings",
        "proration_behavior",
        "proration_date",
    ]);
    let wish = Wish::from(&params, "discounts");
    params.finish()?;
    if let Some(wanted) = wanted {
        discounts::replace(&mut state, &because, &mut subscription, wanted);
    }
    if trial_ends && subscription["status"] == "active" {
        let since = subscription["trial_start"].as_i64();
        let billed = renewal::bill_period(&mut state, &because, subscription, since, None)?;
        return Ok(Json(wish.show(&state, cut(billed))));
    }
    state.update_subscription(&because, subscription.clone());
    if trial_ends {
        state.emit(&because, "customer.subscription.paused", &subscription);
    }
    Ok(Json(wish.show(&state, cut(subscription))))
}

/// `cancel_at_period_end`, or a time in `cancel_at`.
fn read_end(subscription: &mut Value, params: &mut Params, now: i64) -> Result<(), ApiError> {
    match params.flag("cancel_at_period_end")? {
        Some(true) => schedule_end(subscription, now, true),
        Some(false) => unschedule_end(subscription),
        None => {}
    }
    match params.text("cancel_at")?.as_deref() {
        None => {}
        Some("") => unschedule_end(subscription),
        Some("min_period_end" | "max_period_end") => schedule_end(subscription, now, false),
        Some(text) => {
            let at: i64 = text.parse().ok().filter(|at| *at > now).ok_or_else(|| {
                ApiError::invalid(
                    "cancel_at",
                    "Invalid timestamp: must be an integer Unix timestamp in the future.",
                )
            })?;
            schedule_end(subscription, now, false);
            subscription["cancel_at"] = json!(at);
        }
    }
    if let Some(mut details) = params.group("cancellation_details")? {
        for field in ["comment", "feedback"] {
            if let Some(text) = details.text(field)? {
                subscription["cancellation_details"][field] = nullable(text);
            }
        }
        details.finish()?;
    }
    Ok(())
}

/// The first paid period begins, or the subscription pauses, because nobody left anything to pay
/// with.
fn end_trial(state: &State, subscription: &mut Value, now: i64) {
    let customer = subscription["customer"].as_str().unwrap_or_default();
    let unpaid = state.payment_method_for(subscription, customer).is_none();
    let behavior = &subscription["trial_settings"]["end_behavior"]["missing_payment_method"];
    let pauses = unpaid && behavior == "pause";
    subscription["trial_end"] = json!(now);
    subscription["status"] = json!(if pauses { "paused" } else { "active" });
    if !pauses {
        renewal::advance(subscription, Some(now));
    }
}

pub async fn cancel(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let running = state
        .subscriptions
        .get(&id)
        .filter(|subscription| subscription["status"] != "canceled")
        .cloned();
    let mut subscription = running.ok_or_else(|| ApiError::no_such("subscription", &id))?;
    read_end(&mut subscription, &mut params, because.at)?;
    params.ignore(&["invoice_now", "prorate"]);
    let wish = Wish::from(&params, "discounts");
    params.finish()?;
    let ended = end(&mut state, &because, subscription);
    Ok(Json(wish.show(&state, cut(ended))))
}

/// Canceled ones are left out unless asked for.
pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let fields = Fields::from(
        &mut params,
        &[
            ("collection_method", "/collection_method"),
            ("customer", "/customer"),
        ],
    )?;
    let price = match params.text("price")? {
        Some(price) => Some(price),
        None => params.text("plan")?,
    };
    let statuses = [
        "active",
        "all",
        "canceled",
        "ended",
        "incomplete",
        "incomplete_expired",
        "past_due",
        "paused",
        "trialing",
        "unpaid",
    ];
    let status = params.choice("status", &statuses)?;
    params.ignore(&["test_clock"]);
    let wish = Wish::from(&params, "discounts");
    let wanted = |subscription: &Value| {
        let is = subscription["status"].as_str().unwrap_or_default();
        let right_status = match status.as_deref() {
            None => is != "canceled",
            Some("all") => true,
            Some("ended") => matches!(is, "canceled" | "incomplete_expired"),
            Some(status) => is == status,
        };
        right_status
            && fields.hold(subscription)
            && price.as_ref().is_none_or(|price| {
                subscriptions::all_of(subscription)
                    .iter()
                    .any(|item| item["price"]["id"] == **price)
            })
    };
    KIND.list(&app, params, wanted, |state, found| {
        wish.show(state, cut(found))
    })
}
