//! Example customers for `billhook dev`: believable, with the same ids at every start, and with the
//! cases that matter: several under one address, two that differ in case only, on trial, overdue,
//! ending, ended, deleted, without a name, without an address, in several currencies, with a
//! discount, with an invoice instead of a card, for a fixed term.

pub mod examples;
pub mod past;

use serde_json::{Value, json};

use crate::{
    objects::{events::Cause, subscriptions},
    seed::examples::{
        COUPON, DELETED, EXAMPLES, Example, FEATURES, PRICES, PRODUCTS, Plan, price_id, product_id,
    },
    shapes::{cards, coupons, customers::blank, discounts, features, prices, products},
    state::State,
    wire::clock,
};

/// 1 November 2026. Creation dates count back from here, so that they do not move from start to
/// start.
const BASE: i64 = 1_793_523_600;

/// Fills an empty state and tells of all of it, so that a webhook receiver learns every customer.
/// The events are of just now: the receiver's clock is not in the past.
pub fn fill(state: &mut State, now: i64) {
    let made = Cause::of_itself(now - 2);
    let ended = Cause::of_itself(now - 1);
    add_products(state, &made);
    for example in &EXAMPLES {
        add(state, &made, &ended, example, now);
    }
    state.delete_customer(&ended, &format!("cus_{DELETED}"));
}

fn add_products(state: &mut State, made: &Cause) {
    let created = clock::add_months(BASE, -36);
    for (name, description) in PRODUCTS {
        let mut product = products::build(&product_id(name), name, created);
        product["description"] = json!(description);
        product["default_price"] = json!(price_id(&format!("{name}Month")));
        state.add_product(made, product);
    }
    for (key, product, amount, currency, interval) in PRICES {
        let price = prices::build(
            &price_id(key),
            &product_id(product),
            amount,
            currency,
            Some((interval, 1)),
            created,
        );
        state.add_price(made, price);
    }
    for (key, name, having) in FEATURES {
        let feature = features::build(&format!("feat_1Seed{key}"), key, name);
        for product in having {
            let id = format!("prodft_1Seed{product}{key}");
            let row = features::of_product(&id, &product_id(product), &feature);
            state.product_features.put(row);
        }
        state.features.put(feature);
    }
    let mut coupon = coupons::build(COUPON, created);
    coupon["duration"] = json!("forever");
    coupon["name"] = json!("Half off for friends");
    coupon["percent_off"] = json!(50.0);
    state.emit(made, "coupon.created", &coupon);
    state.coupons.put(coupon);
}

fn add(state: &mut State, made: &Cause, ended: &Cause, example: &Example, now: i64) {
    let created = clock::add_months(BASE, -example.months_ago) + example.months_ago * 4_321;
    let mut customer = blank(&format!("cus_{}", example.key), created);
    customer["name"] = json!(example.name);
    customer["description"] = json!(example.description);
    customer["email"] = json!(example.email);
    let card = card(&mut customer, example, created);
    let bills = past::bills(state, &mut customer, example, now, created);
    customer["delinquent"] = json!(example.plan.is_behind());
    state.emit(made, "customer.created", &customer);
    state.customers.put(customer);
    if let Some(card) = card {
        state.emit(made, "payment_method.attached", &card);
        state.payment_methods.put(card);
    }
    let Some(bills) = bills else {
        return;
    };
    if let Some(discount) = bills.discount {
        let told = discounts::shown(discount.clone());
        state.emit(made, "customer.discount.created", &told);
        state.discounts.put(discount);
    }
    let (subscription, told) = ("customer.subscription.created", bills.subscription);
    state.put_subscription(made, subscription, told.clone());
    for bill in bills.invoices {
        bill.tell(state, made);
    }
    if example.plan == Plan::Ended {
        let subscription = subscriptions::end(state, ended, told);
        state.subscriptions.put(past::backdated(subscription));
    }
}

/// Who pays has a card; one of them a card that is declined.
fn card(customer: &mut Value, example: &Example, created: i64) -> Option<Value> {
    let token = match example.plan {
        Plan::None | Plan::Late => return None,
        Plan::PastDue => "pm_card_chargeCustomerFail",
        _ => "pm_card_visa",
    };
    let id = format!("pm_1{}", example.key);
    let mut card = cards::build(&id, cards::find(token)?, created);
    card["customer"] = customer["id"].clone();
    card["billing_details"]["email"] = customer["email"].clone();
    card["billing_details"]["name"] = customer["name"].clone();
    customer["invoice_settings"]["default_payment_method"] = card["id"].clone();
    Some(card)
}

#[cfg(test)]
mod tests {
    use crate::objects::discounts;

    use super::*;

    #[test]
    fn every_start_gives_the_same_customers() {
        let (mut one, mut two) = (State::default(), State::default());
        fill(&mut one, BASE);
        fill(&mut two, BASE + 5 * clock::DAY);
        let customers = |state: &State| {
            state
                .customers
                .each()
                .map(|customer| (customer["id"].clone(), customer["created"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(customers(&one), customers(&two));
        assert_eq!(
            one.customers
                .each()
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
                .each()
                .filter(|customer| customer["delinquent"] == true)
                .count(),
            EXAMPLES
                .iter()
                .filter(|example| example.plan.is_behind())
                .count()
        );
    }

    #[test]
    fn there_is_a_customer_for_every_state() {
        let now = BASE + 100 * clock::DAY;
        let mut state = State::default();
        fill(&mut state, now);
        let subscription = |key: &str| {
            let subscription = state.subscriptions.get(&format!("sub_1{key}")).unwrap();
            let invoice = subscription["latest_invoice"].as_str().unwrap();
            (subscription, state.invoices.get(invoice).unwrap())
        };
        let (_, open) = subscription("SeedAda0000002");
        assert_eq!(
            (&open["status"], &open["amount_remaining"]),
            (&json!("open"), &json!(4_900))
        );
        assert_eq!(open["attempt_count"], 1);
        assert!(open["next_payment_attempt"].as_i64().unwrap() > now);

        let (failed, open) = subscription("SeedMaud000001");
        assert_eq!(
            (&failed["status"], &open["status"]),
            (&json!("past_due"), &json!("open"))
        );
        let (discounted, paid) = subscription("SeedMaud000002");
        assert_eq!(discounted["discounts"], json!(["di_1SeedMaud000002"]));
        assert_eq!(
            (&paid["status"], &paid["amount_paid"]),
            (&json!("paid"), &json!(2_450))
        );
        assert_eq!(discounts::of_subscription(&state, discounted).len(), 1);
        let (presented, _) = subscription("SeedMaud000003");
        let currency = &presented["presentment_details"]["presentment_currency"];
        assert_eq!(currency, "cad");
        let (late, open) = subscription("SeedMaud000004");
        assert_eq!(
            (&late["status"], &late["collection_method"]),
            (&json!("past_due"), &json!("send_invoice"))
        );
        assert_eq!(
            (&open["status"], &open["attempt_count"]),
            (&json!("open"), &json!(0))
        );
        assert!(open["due_date"].as_i64().unwrap() < now);
        assert!(state.subscriptions.get("sub_1SeedMaud000005").is_none());
        let (term, _) = subscription("SeedMaud000006");
        assert_eq!(term["status"], "active");
        let period = term["items"]["data"][0]["current_period_end"].as_i64();
        assert!(term["cancel_at"].as_i64() > period);
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
