//! Discounts: what a coupon becomes where it is redeemed, on a customer or on a subscription.

use serde_json::Value;

use crate::{
    objects::events::Cause,
    shapes::{
        coupons,
        discounts::{build, shown},
    },
    state::State,
    wire::{error::ApiError, ids, params::Params},
};

const CREATED: &str = "customer.discount.created";
const DELETED: &str = "customer.discount.deleted";

/// How much of discounts a request wants to see.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    whole: bool,
    coupon: bool,
    products: bool,
}

impl Wish {
    /// `field` is where the object has its discounts.
    pub fn from(params: &Params, field: &str) -> Self {
        let expands = |rest: &str| params.expands(&format!("{field}{rest}"));
        Self {
            whole: expands(""),
            coupon: expands(".source.coupon"),
            products: expands(".source.coupon.applies_to"),
        }
    }

    /// The object with its discounts as they are wanted.
    pub fn show(self, state: &State, mut object: Value) -> Value {
        if !self.whole {
            return object;
        }
        let several = object.get_mut("discounts").and_then(Value::as_array_mut);
        for entry in several.into_iter().flatten() {
            *entry = self.read(state, entry);
        }
        if let Some(one) = object.get_mut("discount") {
            *one = self.read(state, one);
        }
        object
    }

    /// `entry` is the id of a discount, or a discount that shows the id of its coupon.
    fn read(self, state: &State, entry: &Value) -> Value {
        let id = entry.as_str().or_else(|| entry["id"].as_str());
        let Some(discount) = id.and_then(|id| state.discounts.get(id)) else {
            return entry.clone();
        };
        if !self.coupon {
            return shown(discount.clone());
        }
        let redeemed = &discount["source"]["coupon"];
        let id = redeemed["id"].as_str().unwrap_or_default();
        // A coupon that was deleted stays as it was when it was redeemed.
        let coupon = state.coupons.get(id).unwrap_or(redeemed).clone();
        let mut discount = discount.clone();
        discount["source"]["coupon"] = coupons::answered(coupon, self.products);
        discount
    }
}

/// What a request wants as the discounts of a subscription that has `had`: coupons to redeem now, or
/// some of those.
pub fn read(
    state: &State,
    groups: Vec<Params>,
    had: &[Value],
    now: i64,
) -> Result<Vec<Value>, ApiError> {
    let mut wanted = Vec::with_capacity(groups.len());
    for mut group in groups {
        let (by_coupon, by_id) = (group.name("coupon"), group.name("discount"));
        let discount = match (group.text("coupon")?, group.text("discount")?) {
            (Some(coupon), None) => {
                let coupon = state.coupons.named(&by_coupon, "coupon", &coupon)?;
                build(&ids::long("di_"), coupon, now)
            }
            (None, Some(id)) => {
                let found = had.iter().find(|discount| discount["id"] == *id);
                found
                    .cloned()
                    .ok_or_else(|| ApiError::no_such_param(&by_id, "discount", &id))?
            }
            (None, None) => return Err(ApiError::missing(&by_coupon)),
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid(
                    &by_coupon,
                    "You may only specify one of these parameters: coupon, discount.",
                ));
            }
        };
        group.finish()?;
        wanted.push(discount);
    }
    Ok(wanted)
}

/// Gives a subscription that is about to be stored these discounts instead of those that it has, and
/// tells what came and what went.
pub fn replace(state: &mut State, cause: &Cause, subscription: &mut Value, wanted: Vec<Value>) {
    for gone in of_subscription(state, subscription) {
        if wanted.iter().all(|discount| discount["id"] != gone["id"]) {
            state.emit(cause, DELETED, &shown(gone));
        }
    }
    let mut kept = Vec::with_capacity(wanted.len());
    for mut discount in wanted {
        kept.push(discount["id"].clone());
        let id = discount["id"].as_str().unwrap_or_default();
        if state.discounts.get(id).is_none() {
            discount["customer"] = subscription["customer"].clone();
            discount["subscription"] = subscription["id"].clone();
            state.emit(cause, CREATED, &shown(discount.clone()));
            state.discounts.put(discount);
        }
    }
    subscription["discounts"] = Value::Array(kept);
}

/// The subscription's own, each with its coupon.
pub fn of_subscription(state: &State, subscription: &Value) -> Vec<Value> {
    let ids = subscription["discounts"].as_array();
    ids.into_iter()
        .flatten()
        .filter_map(|id| state.discounts.get(id.as_str()?).cloned())
        .collect()
}

/// The customer's, if there is one, with its coupon.
fn of_customer(state: &State, customer: &Value) -> Option<Value> {
    state
        .discounts
        .get(customer["discount"]["id"].as_str()?)
        .cloned()
}

/// What counts for an invoice of that second: the discounts of the subscription, and only if there
/// are none that of the customer.
pub fn counting(state: &State, customer: &Value, own: Vec<Value>, at: i64) -> Vec<Value> {
    let mut all = own;
    if all.is_empty() {
        all.extend(of_customer(state, customer));
    }
    all.retain(|discount| !is_over(discount, at));
    all
}

fn is_over(discount: &Value, at: i64) -> bool {
    discount["end"].as_i64().is_some_and(|end| end <= at)
}

/// Takes away what has ended by then, from a subscription that is about to be stored and from its
/// customer.
pub fn expire(state: &mut State, cause: &Cause, subscription: &mut Value, at: i64) {
    let own = of_subscription(state, subscription);
    for discount in own.into_iter().filter(|discount| is_over(discount, at)) {
        remove(subscription, &discount["id"]);
        state.emit(cause, DELETED, &shown(discount));
    }
    let customer = state.customer(subscription["customer"].as_str().unwrap_or_default());
    let theirs = customer.and_then(|customer| of_customer(state, &customer));
    if let Some(discount) = theirs.filter(|discount| is_over(discount, at)) {
        end(state, cause, discount);
    }
}

/// A discount for one time is gone with the invoice that took something off for it. `amounts` is what
/// the invoice says of that.
pub fn spend(state: &mut State, cause: &Cause, amounts: &Value) {
    let amounts = amounts.as_array();
    for taken in amounts.into_iter().flatten() {
        let discount = taken["discount"]
            .as_str()
            .filter(|_| taken["amount"] != 0)
            .and_then(|id| state.discounts.get(id))
            .filter(|discount| discount["source"]["coupon"]["duration"] == "once")
            .cloned();
        if let Some(discount) = discount {
            end(state, cause, discount);
        }
    }
}

/// Takes it from the subscription or the customer that has it.
fn end(state: &mut State, cause: &Cause, discount: Value) {
    let id = discount["id"].clone();
    let subscription = discount["subscription"]
        .as_str()
        .and_then(|id| state.subscriptions.get(id))
        .cloned();
    let customer = state
        .customer(discount["customer"].as_str().unwrap_or_default())
        .filter(|customer| customer["discount"]["id"] == id);
    state.emit(cause, DELETED, &shown(discount));
    if let Some(mut subscription) = subscription {
        remove(&mut subscription, &id);
        state.update_subscription(cause, subscription);
    } else if let Some(mut customer) = customer {
        customer["discount"] = Value::Null;
        state.update_customer(cause, customer);
    }
}

fn remove(subscription: &mut Value, id: &Value) {
    if let Some(ids) = subscription["discounts"].as_array_mut() {
        ids.retain(|other| other != id);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        objects::{
            renewal::{self, Outcome},
            subscription_start::{self, Start},
        },
        shapes::{customers, prices, subscriptions::Item},
        wire::clock::{self, DAY},
    };

    use super::*;

    fn coupon(id: &str, duration: &str) -> Value {
        let mut coupon = coupons::build(id, 0);
        coupon["duration"] = json!(duration);
        coupon["percent_off"] = json!(50.0);
        coupon
    }

    /// A customer and a coupon of that duration.
    fn shop(duration: &str) -> State {
        let mut state = State::default();
        state.customers.put(customers::blank("cus_1", 0));
        state.coupons.put(coupon("half", duration));
        state
    }

    fn subscribe(state: &mut State, with: Vec<Value>) -> Value {
        let item = Item {
            id: "si_1".to_owned(),
            price: prices::build("price_1", "prod_1", 1_000, "eur", Some(("month", 1)), 0),
            quantity: 1,
            metadata: json!({}),
            period: (DAY, clock::add_months(DAY, 1)),
        };
        let start = Start {
            customer: "cus_1".to_owned(),
            items: vec![item],
            trial_end: None,
            may_wait: false,
            discounts: with,
            fields: json!({ "collection_method": "send_invoice", "days_until_due": 30 }),
        };
        subscription_start::start(state, &Cause::of_itself(DAY), start).unwrap()
    }

    fn told(state: &State, kind: &str) -> Vec<Value> {
        state
            .events
            .iter()
            .filter(|event| event["type"] == kind)
            .map(|event| event["data"]["object"].clone())
            .collect()
    }

    fn totals(state: &State) -> Vec<Value> {
        let mut totals: Vec<Value> = state
            .invoices
            .iter()
            .map(|invoice| invoice["total"].clone())
            .collect();
        totals.reverse();
        totals
    }

    fn renewed(state: &mut State, subscription: &Value) -> Value {
        let id = subscription["id"].as_str().unwrap();
        renewal::renew(state, &Cause::of_itself(2 * DAY), id, Outcome::Paid).unwrap()
    }

    #[test]
    fn a_discount_for_one_time_is_gone_after_its_invoice() {
        let mut state = shop("once");
        let discount = build("di_1", &coupon("half", "once"), DAY);
        let subscription = subscribe(&mut state, vec![discount]);
        assert_eq!(subscription["discounts"], json!([]));
        let created = told(&state, CREATED);
        assert_eq!(created[0]["subscription"], subscription["id"]);
        assert_eq!(
            created[0]["source"],
            json!({ "coupon": "half", "type": "coupon" })
        );
        assert_eq!(told(&state, DELETED), created);
        renewed(&mut state, &subscription);
        assert_eq!(totals(&state), [json!(500), json!(1_000)]);
    }

    #[test]
    fn a_repeating_discount_ends_with_its_months() {
        let mut state = shop("repeating");
        let mut coupon = coupon("half", "repeating");
        coupon["duration_in_months"] = json!(2);
        let discount = build("di_1", &coupon, DAY);
        assert_eq!(discount["end"], clock::add_months(DAY, 2));
        let subscription = subscribe(&mut state, vec![discount]);
        assert_eq!(subscription["discounts"], json!(["di_1"]));
        let subscription = renewed(&mut state, &subscription);
        assert!(told(&state, DELETED).is_empty());
        let subscription = renewed(&mut state, &subscription);
        assert_eq!(subscription["discounts"], json!([]));
        assert_eq!(told(&state, DELETED).len(), 1);
        assert_eq!(totals(&state), [json!(500), json!(500), json!(1_000)]);
    }

    #[test]
    fn without_discounts_of_its_own_a_subscription_has_that_of_its_customer() {
        let mut state = shop("once");
        let mut discount = build("di_1", &coupon("half", "once"), 0);
        discount["customer"] = json!("cus_1");
        let mut customer = state.customer("cus_1").unwrap();
        customer["discount"] = shown(discount.clone());
        state.customers.put(customer);
        state.discounts.put(discount);
        let subscription = subscribe(&mut state, Vec::new());
        assert_eq!(totals(&state), [json!(500)]);
        assert_eq!(subscription["discounts"], json!([]));
        assert!(state.customer("cus_1").unwrap()["discount"].is_null());
    }

    #[test]
    fn what_is_not_wanted_any_more_is_told_to_be_gone() {
        let mut state = shop("forever");
        let discounts = ["di_1", "di_2"].map(|id| build(id, &coupon("half", "forever"), DAY));
        let mut subscription = subscribe(&mut state, discounts.to_vec());
        assert_eq!(totals(&state), [json!(250)]);
        let cause = Cause::of_itself(DAY);
        let [_, second] = discounts;
        replace(&mut state, &cause, &mut subscription, vec![second]);
        assert_eq!(subscription["discounts"], json!(["di_2"]));
        assert_eq!(told(&state, CREATED).len(), 2);
        let gone = told(&state, DELETED);
        assert_eq!((gone.len(), &gone[0]["id"]), (1, &json!("di_1")));
    }

    #[test]
    fn a_request_sees_as_much_as_it_asks_for() {
        let mut state = shop("forever");
        let mut coupon = coupon("half", "forever");
        coupon["applies_to"] = json!({ "products": ["prod_1"] });
        state.coupons.put(coupon.clone());
        state.discounts.put(build("di_1", &coupon, DAY));
        let object = json!({ "discounts": ["di_1"] });
        let seen = |path: &str| {
            let pairs = [("expand[]".to_owned(), path.to_owned())];
            let wish = Wish::from(&Params::parse(&pairs).unwrap(), "discounts");
            wish.show(&state, object.clone())["discounts"][0].clone()
        };
        assert_eq!(seen("customer"), json!("di_1"));
        assert_eq!(seen("data.discounts")["source"]["coupon"], "half");
        let with_coupon = seen("data.discounts.source.coupon");
        assert_eq!(
            with_coupon["source"]["coupon"],
            coupons::shown(coupon.clone())
        );
        let whole = seen("discounts.source.coupon.applies_to");
        assert_eq!(whole["source"]["coupon"], coupon);
    }
}
