//! The items of subscriptions: what a request says about them, and their own list.

use axum::extract::State as Shelf;
use serde_json::{Value, json};

use crate::{
    routes::read::list_part,
    shapes::subscriptions::{Item, all_of, build_item, period_end, set_price},
    state::{Shared, State},
    wire::{
        error::{Answer, ApiError},
        ids,
        params::Params,
    },
};

/// As many as Stripe takes.
const MOST: usize = 20;

/// The items of a new subscription, whose periods begin now. During a trial all end with it.
pub fn read(
    state: &State,
    groups: Vec<Params>,
    now: i64,
    trial_end: Option<i64>,
) -> Result<Vec<Item>, ApiError> {
    if groups.is_empty() {
        return Err(ApiError::missing("items"));
    }
    let mut items = Vec::with_capacity(groups.len());
    for mut group in groups {
        items.push(read_one(state, &mut group, now, trial_end)?);
        group.finish()?;
    }
    check(items.iter().map(|item| &item.price))?;
    Ok(items)
}

fn read_one(
    state: &State,
    group: &mut Params,
    now: i64,
    trial_end: Option<i64>,
) -> Result<Item, ApiError> {
    let place = group.name("price");
    let name = match group.text("plan")? {
        Some(plan) => plan,
        None => group.required("price")?,
    };
    let price = recurring(state, &place, &name)?;
    let mut metadata = json!({});
    group.metadata(&mut metadata)?;
    group.ignore(&["billing_thresholds", "discounts", "tax_rates"]);
    Ok(Item {
        id: ids::short("si_"),
        quantity: quantity(group)?.unwrap_or(1),
        metadata,
        period: (now, trial_end.unwrap_or_else(|| period_end(&price, now))),
        price,
    })
}

pub fn quantity(group: &mut Params) -> Result<Option<i64>, ApiError> {
    let quantity = group.integer("quantity")?;
    if quantity.is_some_and(i64::is_negative) {
        return Err(
            ApiError::invalid(&group.name("quantity"), "Invalid non-negative integer")
                .code("parameter_invalid_integer"),
        );
    }
    Ok(quantity)
}

fn recurring(state: &State, place: &str, id: &str) -> Result<Value, ApiError> {
    let price = state.prices.named(place, "price", id)?;
    if price["recurring"].is_null() {
        return Err(ApiError::invalid(
            place,
            "The price specified is set to `type=one_time` but this field only accepts prices \
             with `type=recurring`.",
        ));
    }
    if price["active"] == false {
        return Err(ApiError::invalid(
            place,
            "The price specified is inactive. This field only accepts active prices.",
        ));
    }
    Ok(price.clone())
}

/// The prices of one subscription: not too many, none twice, one currency.
fn check<'a>(prices: impl Iterator<Item = &'a Value>) -> Result<(), ApiError> {
    let prices: Vec<&Value> = prices.collect();
    if prices.len() > MOST {
        return Err(ApiError::invalid(
            "items",
            format!("A subscription can have at most {MOST} items."),
        ));
    }
    let (mut rest, mut first) = (prices.as_slice(), None);
    while let Some((price, others)) = rest.split_first() {
        let currency = first.get_or_insert(&price["currency"]);
        if **currency != price["currency"] {
            return Err(ApiError::invalid(
                "items",
                "If a Subscription has multiple items, they must all have the same currency.",
            ));
        }
        if others.iter().any(|other| other["id"] == price["id"]) {
            return Err(ApiError::invalid(
                "items",
                "Cannot add multiple subscription items with the same plan.",
            ));
        }
        rest = others;
    }
    Ok(())
}

/// Carries out the `items` of an update: those with an id are changed or taken away, others added.
pub fn change(
    state: &State,
    subscription: &mut Value,
    groups: Vec<Params>,
    now: i64,
) -> Result<(), ApiError> {
    let owner = subscription["id"].as_str().unwrap_or_default().to_owned();
    let mut items = all_of(subscription).to_vec();
    for mut group in groups {
        let place = group.name("id");
        let Some(id) = group.text("id")? else {
            let item = read_one(state, &mut group, now, None)?;
            group.finish()?;
            items.push(build_item(&owner, item, now));
            continue;
        };
        let index = items
            .iter()
            .position(|item| item["id"] == *id)
            .ok_or_else(|| ApiError::no_such_param(&place, "subscription item", &id))?;
        if group.flag("deleted")? == Some(true) {
            group.ignore(&["clear_usage"]);
            group.finish()?;
            items.remove(index);
            continue;
        }
        let Some(item) = items.get_mut(index) else {
            continue;
        };
        if let Some(price) = group.text("price")? {
            set_price(item, &recurring(state, &group.name("price"), &price)?, now);
        }
        if let Some(quantity) = quantity(&mut group)? {
            item["quantity"] = json!(quantity);
        }
        group.metadata(&mut item["metadata"])?;
        group.ignore(&["billing_thresholds", "discounts", "tax_rates"]);
        group.finish()?;
    }
    if items.is_empty() {
        return Err(ApiError::invalid(
            "items",
            "A subscription must have at least one active plan.",
        ));
    }
    check(items.iter().map(|item| &item["price"]))?;
    subscription["items"]["data"] = json!(items);
    Ok(())
}

/// `GET /v1/subscription_items?subscription=…`
pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let subscription = params.required("subscription")?;
    let (noun, url) = ("subscription item", "/v1/subscription_items");
    list_part(&app, params, noun, url, |state| {
        let found = state
            .subscriptions
            .named("subscription", "subscription", &subscription)?;
        Ok(all_of(found).to_vec())
    })
}
