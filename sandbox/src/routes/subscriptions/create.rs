//! `POST /v1/subscriptions`

use axum::{Json, extract::State as Shelf};
use serde_json::{Value, json};

use crate::{
    objects::{
        discounts::{self, Wish},
        subscription_start::{self, Start},
    },
    routes::{Because, subscriptions::items},
    state::{Shared, State},
    wire::{
        clock::DAY,
        error::{Answer, ApiError},
        json::cut,
        params::{Params, nullable},
    },
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    let groups = params.groups("items")?.unwrap_or_default();
    let trial_end = read_trial_end(&mut params, because.at)?;
    let behaviors = [
        "allow_incomplete",
        "default_incomplete",
        "error_if_incomplete",
        "pending_if_incomplete",
    ];
    let behavior = params.choice("payment_behavior", &behaviors)?;
    let mut fields = json!({ "metadata": {} });
    params.metadata(&mut fields["metadata"])?;
    if let Some(description) = params.text("description")? {
        fields["description"] = nullable(description);
    }
    let card = params.text("default_payment_method")?;
    fields["default_payment_method"] = json!(card);
    let collections = ["charge_automatically", "send_invoice"];
    if let Some(collection) = params.choice("collection_method", &collections)? {
        fields["collection_method"] = json!(collection);
    }
    if let Some(days) = params.integer("days_until_due")? {
        fields["days_until_due"] = json!(days);
    } else if fields["collection_method"] == "send_invoice" {
        return Err(ApiError::invalid(
            "days_until_due",
            "If subscription collection method is 'send_invoice', you must specify \
             'days_until_due'.",
        ));
    }
    if let Some(settings) = read_trial_settings(&mut params)? {
        fields["trial_settings"] = settings;
    }
    let ends = params.flag("cancel_at_period_end")?.unwrap_or(false);
    let coupons = params.groups("discounts")?.unwrap_or_default();
    let wish = Wish::from(&params, "discounts");
    params.ignore(&[
        "automatic_tax",
        "billing_mode",
        "currency",
        "off_session",
        "payment_settings",
        "proration_behavior",
    ]);
    params.finish()?;

    let mut state = app.write();
    state.named_customer(&customer)?;
    let items = items::read(&state, groups, because.at, trial_end)?;
    let redeemed = discounts::read(&state, coupons, &[], because.at)?;
    if let Some(card) = &card {
        check_card(&state, card, &customer)?;
    }
    if ends {
        let first = items.first().map_or(because.at, |item| item.period.1);
        fields["cancel_at"] = json!(first);
        fields["cancel_at_period_end"] = json!(true);
        fields["canceled_at"] = json!(because.at);
    }
    let start = Start {
        customer,
        items,
        trial_end,
        may_wait: behavior.as_deref() == Some("default_incomplete"),
        discounts: redeemed,
        fields,
    };
    let subscription = subscription_start::start(&mut state, &because, start)?;
    Ok(Json(wish.show(&state, cut(subscription))))
}

pub fn check_card(state: &State, card: &str, customer: &str) -> Result<(), ApiError> {
    let theirs = state
        .payment_methods
        .get(card)
        .is_some_and(|card| card["customer"] == *customer);
    if theirs {
        Ok(())
    } else {
        Err(ApiError::no_such_param(
            "default_payment_method",
            "PaymentMethod",
            card,
        ))
    }
}

fn read_trial_end(params: &mut Params, now: i64) -> Result<Option<i64>, ApiError> {
    let days = params.integer("trial_period_days")?;
    if days.is_some_and(|days| !(0..=730).contains(&days)) {
        return Err(ApiError::invalid(
            "trial_period_days",
            "This value must be less than or equal to 730.",
        ));
    }
    let end = match params.text("trial_end")?.as_deref() {
        None | Some("now") => None,
        Some(text) => Some(text.parse::<i64>().map_err(|_| {
            ApiError::invalid(
                "trial_end",
                "Invalid timestamp: must be an integer Unix timestamp.",
            )
        })?),
    };
    if end.is_some_and(|end| end <= now) {
        return Err(ApiError::invalid(
            "trial_end",
            "Invalid timestamp: must be an integer Unix timestamp in the future.",
        ));
    }
    Ok(end.or_else(|| days.filter(|days| *days > 0).map(|days| now + days * DAY)))
}

fn read_trial_settings(params: &mut Params) -> Result<Option<Value>, ApiError> {
    let Some(mut settings) = params.group("trial_settings")? else {
        return Ok(None);
    };
    let mut end = settings
        .group("end_behavior")?
        .ok_or_else(|| ApiError::missing("trial_settings[end_behavior]"))?;
    let words = ["cancel", "create_invoice", "pause"];
    let word = end.choice("missing_payment_method", &words)?;
    end.finish()?;
    settings.finish()?;
    Ok(Some(json!({
        "end_behavior": {
            "billing_cycle_anchor": null,
            "missing_payment_method": word.as_deref().unwrap_or("create_invoice"),
        },
    })))
}
