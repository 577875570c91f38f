//! Example customers for `billhook dev`: believable, with the same ids at every start, and with the
//! cases that matter: several under one address, two that differ in case only, overdue, ended,
//! deleted, without a name, without an address.

mod examples;

use serde_json::{Value, json};

use self::examples::{DELETED, EXAMPLES, Example, PRODUCTS, Plan};
use super::{
    clock,
    customers::blank,
    events::Cause,
    invoices::{self, Standing},
    payment_methods::{self, TEST_CARDS},
    prices, products,
    state::State,
    subscriptions::{self, Draft},
};

/// 1 November 2026. Creation dates count back from here, so that they do not move from start to
/// start.
const BASE: i64 = 1_793_523_600;
const INVOICES_EACH: usize = 3;

/// Fills an empty state and tells of all of it, so that a webhook receiver learns every customer.
/// The events are of just now: the receiver's clock is not in the past.
pub fn fill(state: &mut State, now: i64) {
    let made = Cause::of_itself(now - 2);
    let ended = Cause::of_itself(now - 1);
    for (name, amount, key) in PRODUCTS {
        let created = clock::add_months(BASE, -36);
        let product = products::build(&format!("prod_Seed{key}"), name, created);
        let price = prices::build(
            &price_id(key),
            &format!("prod_Seed{key}"),
            amount,
            "eur",
            Some(("month", 1)),
            created,
        );
        state.emit(&made, "product.created", &product);
        state.emit(&made, "price.created", &price);
        state.products.put(product);
        state.prices.put(price);
    }
    for example in &EXAMPLES {
        add(state, &made, &ended, example, now);
    }
    state.delete_customer(&ended, &format!("cus_{DELETED}"));
}

fn add(state: &mut State, made: &Cause, ended: &Cause, example: &Example, now: i64) {
    let created = clock::add_months(BASE, -example.months_ago) + example.months_ago * 4_321;
    let mut customer = blank(&format!("cus_{}", example.key), created);
    customer["name"] = json!(example.name);
    customer["description"] = json!(example.description);
    customer["email"] = json!(example.email);
    if example.plan != Plan::None {
        let kind = usize::from(example.plan == Plan::PastDue) * 2;
        add_card(state, &mut customer, example.key, kind, created);
        customer["currency"] = json!("eur");
        customer["delinquent"] = json!(example.plan == Plan::PastDue);
    }
    let subscription = subscribe(state, &mut customer, example, created, now);
    state.emit(made, "customer.created", &customer);
    state.customers.put(customer);
    let Some(subscription) = subscription else {
        return;
    };
    state.emit(made, "customer.subscription.created", &subscription);
    state.subscriptions.put(subscription.clone());
    if example.plan == Plan::Ended {
        let subscription = subscriptions::end(state, ended, subscription);
        state.subscriptions.put(backdated(subscription));
    }
}

/// It ended in the past, though the event that tells of it is new.
fn backdated(mut subscription: Value) -> Value {
    let at = subscription["items"]["data"][0]["current_period_end"].clone();
    subscription["canceled_at"] = at.clone();
    subscription["ended_at"] = at;
    subscription
}

fn add_card(state: &mut State, customer: &mut Value, key: &str, kind: usize, created: i64) {
    let Some(card) = TEST_CARDS.get(kind) else {
        return;
    };
    let mut card = payment_methods::build(&format!("pm_1{key}"), card, created);
    card["customer"] = customer["id"].clone();
    card["billing_details"]["email"] = customer["email"].clone();
    card["billing_details"]["name"] = customer["name"].clone();
    customer["invoice_settings"]["default_payment_method"] = card["id"].clone();
    state.payment_methods.put(card);
}

/// The subscription with the last invoices of its life so far.
fn subscribe(
    state: &mut State,
    customer: &mut Value,
    example: &Example,
    created: i64,
    now: i64,
) -> Option<Value> {
    let price = state.prices.get(&price_id(example.price))?.clone();
    let until = if example.plan == Plan::Ended {
        clock::add_months(created, 5)
    } else {
        now
    };
    let mut periods = vec![(created, subscriptions::period_end(&price, created))];
    let mut months = 1;
    while periods.last().is_some_and(|period| period.1 <= until) {
        // Counted from the first day, so that a subscription of the 31st comes back to it.
        periods.push((
            clock::add_months(created, months),
            clock::add_months(created, months + 1),
        ));
        months += 1;
    }
    let shown = periods.split_off(periods.len().saturating_sub(INVOICES_EACH));
    let mut subscription = None;
    for (index, period) in shown.iter().enumerate() {
        let last = index + 1 == shown.len();
        let mut current = subscriptions::build(Draft {
            id: format!("sub_1{}", example.key),
            item: format!("si_{}", example.key),
            customer: customer["id"].as_str().unwrap_or_default(),
            price: &price,
            quantity: example.quantity,
            status: if example.plan == Plan::PastDue {
                "past_due"
            } else {
                "active"
            },
            created,
            period: *period,
        });
        let standing = if last && example.plan == Plan::PastDue {
            Standing::Open
        } else {
            Standing::Paid
        };
        let invoice = invoices::for_subscription(
            state,
            customer,
            &current,
            &format!("in_1{}{index}", example.key),
            standing,
        );
        current["latest_invoice"] = invoice["id"].clone();
        subscription = Some(current);
    }
    subscription.map(|mut subscription| {
        if example.plan == Plan::Ending {
            subscriptions::schedule_end(&mut subscription, created, false);
        }
        subscription
    })
}

fn price_id(key: &str) -> String {
    format!("price_1Seed{key}Month")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_gives_the_same_customers() {
        let (mut one, mut two) = (State::default(), State::default());
        fill(&mut one, BASE);
        fill(&mut two, BASE + 5 * clock::DAY);
        let customers = |state: &State| {
            state
                .customers
                .iter()
                .map(|customer| (customer["id"].clone(), customer["created"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(customers(&one), customers(&two));
        assert_eq!(
            one.customers
                .iter()
                .filter(|customer| customer["email"] == "ada@example.com")
                .count(),
            3
        );
    }

    #[test]
    fn a_receiver_learns_of_every_customer_and_of_the_deletion() {
        let mut state = State::default();
        fill(&mut state, BASE);
        let told = |kind: &str| {
            state
                .events
                .iter()
                .filter(|event| event["type"] == kind)
                .count()
        };
        assert_eq!(told("customer.created"), EXAMPLES.len());
        assert_eq!(told("customer.deleted"), 1);
        assert_eq!(
            state
                .customers
                .iter()
                .filter(|customer| customer["delinquent"] == true)
                .count(),
            1
        );
    }

    #[test]
    fn the_running_period_holds_the_present() {
        let now = BASE + 400 * clock::DAY;
        let mut state = State::default();
        fill(&mut state, now);
        for subscription in state
            .subscriptions
            .iter()
            .filter(|subscription| subscription["status"] != "canceled")
        {
            let item = &subscription["items"]["data"][0];
            assert!(item["current_period_start"].as_i64().unwrap() <= now);
            assert!(item["current_period_end"].as_i64().unwrap() > now);
        }
    }
}
