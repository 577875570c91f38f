//! Customers: create, retrieve, update, delete, list. A deleted customer stays as a stub, as at
//! Stripe.

mod discount;
mod fields;
pub mod sources;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use self::fields::apply;
pub use self::fields::{ADDRESS, is_email};
use super::{
    discounts::Wish,
    error::{Answer, ApiError},
    events::{Because, Cause},
    ids,
    listing::{Page, list},
    params::Params,
    payment_methods,
    state::{Shared, State},
    subscriptions,
};

/// A customer of which nothing is known yet.
pub fn blank(id: &str, created: i64) -> Value {
    json!({
        "id": id,
        "object": "customer",
        "address": null,
        "balance": 0,
        "created": created,
        "currency": null,
        "customer_account": null,
        "default_source": null,
        "delinquent": false,
        "description": null,
        "discount": null,
        "email": null,
        "invoice_prefix": invoice_prefix(id),
        "invoice_settings": {
            "custom_fields": null,
            "default_payment_method": null,
            "footer": null,
            "rendering_options": null,
        },
        "livemode": false,
        "metadata": {},
        "name": null,
        "next_invoice_sequence": 1,
        "phone": null,
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}

/// The end of the id, so that two customers rarely share it.
fn invoice_prefix(id: &str) -> String {
    id.get(id.len().saturating_sub(8)..)
        .unwrap_or(id)
        .to_uppercase()
}

impl State {
    /// A customer that exists and was not deleted.
    pub fn customer(&self, id: &str) -> Option<Value> {
        self.customers
            .get(id)
            .filter(|customer| !is_deleted(customer))
    }

    /// The customer that a parameter names.
    pub fn named_customer(&self, id: &str) -> Result<Value, ApiError> {
        self.customer(id)
            .ok_or_else(|| ApiError::no_such_param("customer", "customer", id))
    }

    /// Stores a changed customer and tells about it.
    pub fn update_customer(&mut self, cause: &Cause, after: Value) {
        if let Some(before) = self.customers.get(after["id"].as_str().unwrap_or_default()) {
            self.emit_update(cause, "customer.updated", &before, &after);
            self.customers.put(after);
        }
    }

    /// Ends the subscriptions, then the customer; the event carries the customer as it was.
    pub fn delete_customer(&mut self, cause: &Cause, id: &str) -> Option<Value> {
        let customer = self.customer(id)?;
        let of_customer = |row: &&Value| row["customer"] == id;
        let running: Vec<Value> = self
            .subscriptions
            .iter()
            .filter(of_customer)
            .filter(|row| row["status"] != "canceled")
            .cloned()
            .collect();
        for subscription in running {
            subscriptions::end(self, cause, subscription);
        }
        let cards: Vec<String> = self
            .payment_methods
            .iter()
            .filter(of_customer)
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect();
        for card in cards {
            self.payment_methods.remove(&card);
        }
        self.portal_sessions
            .retain(|_, session| session.customer != id);
        self.emit(cause, "customer.deleted", &customer);
        let mut stub = customer;
        stub["deleted"] = json!(true);
        self.customers.put(stub.clone());
        Some(stub)
    }
}

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let mut customer = blank(&ids::short("cus_"), because.at);
    apply(&mut customer, &mut params)?;
    let card = params.text("payment_method")?;
    let coupon = discount::read(&because, &mut params)?;
    let source = params
        .text("source")?
        .map(|token| sources::resolve(&token, customer["id"].as_str().unwrap_or_default()))
        .transpose()?;
    params.ignore(&["tax_id_data", "test_clock"]);
    let wish = Wish::from(&params, "discount");
    params.finish()?;
    let mut state = app.write();
    let wanted = customer["invoice_settings"]["default_payment_method"]
        .as_str()
        .map(str::to_owned);
    let card = card
        .map(|name| payment_methods::resolve(&state, &name).map(|card| (name, card)))
        .transpose()?;
    customer["invoice_settings"]["default_payment_method"] = match (&card, wanted) {
        (_, None) => Value::Null,
        (Some((name, card)), Some(wanted)) if *name == wanted => card["id"].clone(),
        (_, Some(wanted)) => return Err(not_attached(&wanted)),
    };
    if let Some((_, card)) = &card {
        payment_methods::check_savable(card)?;
    }
    if let Some(source) = source {
        customer["default_source"] = source["id"].clone();
        state.emit(&because, "customer.source.created", &source);
        state.sources.put(source);
    }
    discount::set(&mut state, &because, &mut customer, coupon)?;
    state.emit(&because, "customer.created", &customer);
    state.customers.put(customer.clone());
    if let Some((_, card)) = card {
        payment_methods::attach(&mut state, &because, card, &customer);
    }
    Ok(Json(wish.show(&state, customer)))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    let wish = Wish::from(&params, "discount");
    params.finish()?;
    let state = app.read();
    let customer = state.customers.get(&id);
    customer
        .map(|customer| Json(wish.show(&state, shown(customer))))
        .ok_or_else(|| ApiError::no_such("customer", &id))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut customer = state
        .customer(&id)
        .ok_or_else(|| ApiError::no_such("customer", &id))?;
    apply(&mut customer, &mut params)?;
    let coupon = discount::read(&because, &mut params)?;
    params.ignore(&["default_source", "source"]);
    let wish = Wish::from(&params, "discount");
    params.finish()?;
    discount::set(&mut state, &because, &mut customer, coupon)?;
    if let Some(wanted) = customer["invoice_settings"]["default_payment_method"].as_str() {
        let theirs = state
            .payment_methods
            .get(wanted)
            .is_some_and(|card| card["customer"] == *id);
        if !theirs {
            return Err(not_attached(wanted));
        }
    }
    state.update_customer(&because, customer.clone());
    Ok(Json(wish.show(&state, customer)))
}

pub async fn delete(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let stub = app.write().delete_customer(&because, &id);
    stub.map(|stub| Json(shown(stub)))
        .ok_or_else(|| ApiError::no_such("customer", &id))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::dated(&mut params)?;
    let email = params.text("email")?;
    params.ignore(&["test_clock"]);
    let wish = Wish::from(&params, "discount");
    params.finish()?;
    let state = app.read();
    let (data, more) = state.customers.page(&page, "customer", |customer| {
        !is_deleted(customer)
            && email
                .as_ref()
                .is_none_or(|email| customer["email"] == **email)
    })?;
    let data = data
        .into_iter()
        .map(|customer| wish.show(&state, customer))
        .collect();
    Ok(Json(list("/v1/customers", data, more)))
}

pub fn is_deleted(customer: &Value) -> bool {
    customer["deleted"] == true
}

/// Of a deleted customer the API shows no more than that.
fn shown(customer: Value) -> Value {
    if is_deleted(&customer) {
        json!({ "id": customer["id"], "object": "customer", "deleted": true })
    } else {
        customer
    }
}

fn not_attached(card: &str) -> ApiError {
    ApiError::no_such_param(
        "invoice_settings[default_payment_method]",
        "PaymentMethod",
        card,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_loosely() {
        assert!(
            ["a@b", "ada+x@example.com", "\"q\"@example.com"]
                .iter()
                .all(|text| is_email(text))
        );
        assert!(
            ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n"]
                .iter()
                .all(|text| !is_email(text))
        );
    }

    #[test]
    fn deleting_tells_of_the_whole_customer_and_keeps_a_stub() {
        let mut state = State::default();
        let mut ada = blank("cus_1", 1);
        ada["name"] = json!("Ada");
        state.customers.put(ada.clone());
        state
            .delete_customer(&Cause::of_itself(2), "cus_1")
            .unwrap();
        assert_eq!(state.events.iter().next().unwrap()["data"]["object"], ada);
        assert_eq!(
            shown(state.customers.get("cus_1").unwrap()),
            json!({ "id": "cus_1", "object": "customer", "deleted": true })
        );
        assert!(
            state
                .delete_customer(&Cause::of_itself(3), "cus_1")
                .is_none()
        );
    }
}
