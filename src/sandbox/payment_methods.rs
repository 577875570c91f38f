//! Payment methods: the test cards that a customer can have, by Stripe's names for them
//! (`pm_card_visa`).

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use super::{
    clock,
    error::{Answer, ApiError},
    events::Cause,
    ids,
    params::Params,
    state::{Shared, State},
    table::{Page, list},
};

/// A card out of Stripe's list of test cards.
#[derive(Debug)]
pub struct TestCard {
    pub token: &'static str,
    pub brand: &'static str,
    pub label: &'static str,
    pub number: &'static str,
    pub declines: bool,
}

pub const TEST_CARDS: [TestCard; 3] = [
    TestCard {
        token: "pm_card_visa",
        brand: "visa",
        label: "Visa",
        number: "4242 4242 4242 4242",
        declines: false,
    },
    TestCard {
        token: "pm_card_mastercard",
        brand: "mastercard",
        label: "Mastercard",
        number: "5555 5555 5555 4444",
        declines: false,
    },
    TestCard {
        token: "pm_card_chargeDeclined",
        brand: "visa",
        label: "Visa that is declined",
        number: "4000 0000 0000 0002",
        declines: true,
    },
];

impl TestCard {
    pub fn last4(&self) -> &str {
        self.number.rsplit(' ').next().unwrap_or_default()
    }
}

/// A new card that belongs to nobody yet.
pub fn build(id: &str, card: &TestCard, created: i64) -> Value {
    json!({
        "id": id,
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": {
            "address": {
                "city": null,
                "country": null,
                "line1": null,
                "line2": null,
                "postal_code": null,
                "state": null,
            },
            "email": null,
            "name": null,
            "phone": null,
            "tax_id": null,
        },
        "card": {
            "brand": card.brand,
            "checks": {
                "address_line1_check": null,
                "address_postal_code_check": null,
                "cvc_check": "pass",
            },
            "country": "US",
            "display_brand": card.brand,
            "exp_month": 8,
            "exp_year": 2030,
            "fingerprint": format!("SandboxCard{}", card.last4()),
            "funding": "credit",
            "generated_from": null,
            "last4": card.last4(),
            "networks": { "available": [card.brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        },
        "created": created,
        "customer": null,
        "customer_account": null,
        "livemode": false,
        "metadata": {},
        "type": "card",
    })
}

/// A card by id or by the name of a test card, which makes a new one.
pub fn resolve(state: &State, name: &str) -> Result<Value, ApiError> {
    let known = || state.payment_methods.get(name).cloned();
    let fresh = || {
        TEST_CARDS
            .iter()
            .find(|card| card.token == name)
            .map(|card| build(&ids::long("pm_"), card, clock::now()))
    };
    known()
        .or_else(fresh)
        .ok_or_else(|| ApiError::no_such_param("payment_method", "PaymentMethod", name))
}

pub fn attach(state: &mut State, cause: &Cause, mut card: Value, customer: &Value) {
    card["customer"] = customer["id"].clone();
    card["billing_details"]["email"] = customer["email"].clone();
    card["billing_details"]["name"] = customer["name"].clone();
    state.emit(cause, "payment_method.attached", &card);
    state.payment_methods.put(card);
}

/// `GET /v1/payment_methods?customer=…`
pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    page(&app, &customer, "/v1/payment_methods", params)
}

/// `GET /v1/customers/{id}/payment_methods`
pub async fn of_customer(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    page(
        &app,
        &id,
        &format!("/v1/customers/{id}/payment_methods"),
        params,
    )
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let card = app.read().payment_methods.get(&id).cloned();
    card.map(Json)
        .ok_or_else(|| ApiError::no_such("PaymentMethod", &id))
}

fn page(app: &Shared, customer: &str, url: &str, mut params: Params) -> Answer {
    let page = Page::from(&mut params)?;
    let kind = params.text("type")?;
    params.ignore(&["allow_redisplay"]);
    params.finish()?;
    let state = app.read();
    if state.customer(customer).is_none() {
        return Err(ApiError::no_such_param("customer", "customer", customer));
    }
    let (data, more) = state.payment_methods.page(&page, "PaymentMethod", |card| {
        card["customer"] == *customer && kind.as_ref().is_none_or(|kind| card["type"] == **kind)
    })?;
    Ok(Json(list(url, data, more)))
}
