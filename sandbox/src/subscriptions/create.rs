//! How a subscription begins: `POST /v1/subscriptions`, and what a completed checkout does.

use axum::{Json, extract::State as Shelf};
use serde_json::{Value, json};

use super::{
    super::{
        clock::DAY,
        discounts::{self, Wish},
        error::{Answer, ApiError},
        events::{Because, Cause},
        ids, invoices,
        objects::cut,
        params::{Params, nullable},
        payment_methods::{self, Charge},
        state::{Shared, State},
    },
    build::{Draft, Item, build},
    items,
};

/// Stripe tells three days ahead that a trial ends; of shorter trials it tells at once.
const NOTICE: i64 = 3 * DAY;

/// What a subscription begins with.
#[derive(Debug)]
pub struct Start {
    pub customer: String,
    pub items: Vec<Item>,
    pub trial_end: Option<i64>,
    /// Whether it may wait for its first payment.
    pub may_wait: bool,
    /// What coupons became for it, each with its coupon.
    pub discounts: Vec<Value>,
    /// Fields of the subscription that are as the request wants them.
    pub fields: Value,
}

/// Stores, bills and tells.
pub fn start(state: &mut State, cause: &Cause, start: Start) -> Result<Value, ApiError> {
    let customer = state.named_customer(&start.customer)?;
    let method = state.payment_method_for(&start.fields, &start.customer);
    let outcome = method.as_ref().map(payment_methods::charge);
    let sent = start.fields["collection_method"] == "send_invoice";
    let status = if start.trial_end.is_some() {
        "trialing"
    } else if sent || outcome == Some(Charge::Succeeds) {
        "active"
    } else {
        "incomplete"
    };
    let mut subscription = build(Draft {
        id: ids::long("sub_"),
        customer: &start.customer,
        items: start.items,
        status,
        created: cause.at,
        trial_end: start.trial_end,
    });
    if let (Value::Object(fields), Some(own)) = (start.fields, subscription.as_object_mut()) {
        own.extend(fields);
    }
    let invoice = ids::long("in_");
    let counting = discounts::counting(state, &customer, start.discounts.clone(), cause.at);
    let draft = invoices::for_subscription(
        state,
        &customer,
        &subscription,
        &counting,
        &invoice,
        cause.at,
        None,
    );
    if method.is_none() && !sent && !start.may_wait && draft["amount_due"] != 0 {
        return Err(invoices::missing_method());
    }
    subscription["latest_invoice"] = json!(invoice);
    discounts::replace(state, cause, &mut subscription, start.discounts);
    state.put_subscription(cause, "customer.subscription.created", subscription.clone());
    if start.trial_end.is_some_and(|end| end - cause.at < NOTICE) {
        state.emit(cause, "customer.subscription.trial_will_end", &subscription);
    }
    let payment = method.as_ref().zip(outcome).filter(|_| !start.may_wait);
    invoices::bill(state, cause, draft, payment);
    let id = subscription["id"].as_str().unwrap_or_default();
    Ok(state.subscriptions.get(id).cloned().unwrap_or(subscription))
}

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
    let subscription = self::start(&mut state, &because, start)?;
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
