//! Customers: create, retrieve, update, delete, list. A deleted customer stays as a stub, as at Stripe.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use super::{
    error::{Answer, ApiError},
    events::{Because, Cause},
    ids,
    params::{Params, first, nullable},
    payment_methods,
    state::{Shared, State},
    subscriptions,
    table::{Created, Page, list},
};

const ADDRESS: [&str; 6] = ["city", "country", "line1", "line2", "postal_code", "state"];

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
        "invoice_prefix": first(id.strip_prefix("cus_").unwrap_or(id), 8).to_uppercase(),
        "invoice_settings": { "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null },
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

impl State {
    /// A customer that exists and was not deleted.
    pub fn customer(&self, id: &str) -> Option<&Value> {
        self.customers.get(id).filter(|customer| !is_deleted(customer))
    }

    /// Stores a changed customer and tells about it.
    pub fn update_customer(&mut self, cause: &Cause, after: Value) {
        if let Some(before) = self.customers.get(after["id"].as_str().unwrap_or_default()).cloned() {
            self.emit_update(cause, "customer.updated", &before, &after);
            self.customers.put(after);
        }
    }

    /// Ends the subscriptions, then the customer; the event carries the customer as it was.
    pub fn delete_customer(&mut self, cause: &Cause, id: &str) -> Option<Value> {
        let customer = self.customer(id)?.clone();
        let of_customer = |row: &&Value| row["customer"] == id;
        let running: Vec<Value> = self.subscriptions.iter().filter(of_customer).filter(|row| row["status"] != "canceled").cloned().collect();
        for subscription in running {
            subscriptions::end(self, cause, subscription);
        }
        let cards: Vec<String> = self.payment_methods.iter().filter(of_customer).filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
        for card in cards {
            self.payment_methods.remove(&card);
        }
        self.portal_sessions.retain(|_, session| session.customer != id);
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
    params.ignore(&["tax_id_data", "test_clock"]);
    params.finish()?;
    let mut state = app.write();
    let wanted = customer["invoice_settings"]["default_payment_method"].as_str().map(str::to_owned);
    let card = card.map(|name| payment_methods::resolve(&state, &name).map(|card| (name, card))).transpose()?;
    customer["invoice_settings"]["default_payment_method"] = match (&card, wanted) {
        (_, None) => Value::Null,
        (Some((name, card)), Some(wanted)) if *name == wanted => card["id"].clone(),
        (_, Some(wanted)) => return Err(not_attached(&wanted)),
    };
    state.emit(&because, "customer.created", &customer);
    state.customers.put(customer.clone());
    if let Some((_, card)) = card {
        payment_methods::attach(&mut state, &because, card, &customer);
    }
    Ok(Json(customer))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let customer = app.read().customers.get(&id).cloned();
    customer.map(|customer| Json(shown(customer))).ok_or_else(|| ApiError::no_such("customer", &id))
}

pub async fn update(Shelf(app): Shelf<Shared>, Path(id): Path<String>, because: Because, mut params: Params) -> Answer {
    let mut state = app.write();
    let mut customer = state.customer(&id).cloned().ok_or_else(|| ApiError::no_such("customer", &id))?;
    apply(&mut customer, &mut params)?;
    params.ignore(&["default_source"]);
    params.finish()?;
    if let Some(wanted) = customer["invoice_settings"]["default_payment_method"].as_str() {
        let theirs = state.payment_methods.get(wanted).is_some_and(|card| card["customer"] == *id);
        if !theirs {
            return Err(not_attached(wanted));
        }
    }
    state.update_customer(&because, customer.clone());
    Ok(Json(customer))
}

pub async fn delete(Shelf(app): Shelf<Shared>, Path(id): Path<String>, because: Because, params: Params) -> Answer {
    params.finish()?;
    let stub = app.write().delete_customer(&because, &id);
    stub.map(|stub| Json(shown(stub))).ok_or_else(|| ApiError::no_such("customer", &id))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::from(&mut params)?;
    let created = Created::from(&mut params)?;
    let email = params.text("email")?;
    params.ignore(&["test_clock"]);
    params.finish()?;
    let (data, more) = app.read().customers.page(&page, "customer", |customer| {
        !is_deleted(customer) && created.holds(customer) && email.as_ref().is_none_or(|email| customer["email"] == **email)
    })?;
    Ok(Json(list("/v1/customers", data, more)))
}

fn is_deleted(customer: &Value) -> bool {
    customer["deleted"] == true
}

/// Of a deleted customer the API shows no more than that.
fn shown(customer: Value) -> Value {
    if is_deleted(&customer) { json!({ "id": customer["id"], "object": "customer", "deleted": true }) } else { customer }
}

fn not_attached(card: &str) -> ApiError {
    ApiError::no_such_param("invoice_settings[default_payment_method]", "PaymentMethod", card)
}

/// Stripe's own check is no stricter: something before and after one `@`, no spaces.
pub fn is_email(text: &str) -> bool {
    let parts = text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    parts && text.len() <= 512 && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The parameters that creation and update share.
fn apply(customer: &mut Value, params: &mut Params) -> Result<(), ApiError> {
    for field in ["description", "name", "phone"] {
        if let Some(text) = params.text(field)? {
            customer[field] = nullable(text);
        }
    }
    if let Some(email) = params.text("email")? {
        if !email.is_empty() && !is_email(&email) {
            return Err(ApiError::invalid("email", format!("Invalid email address: {}", first(&email, 60))).code("email_invalid"));
        }
        customer["email"] = nullable(email);
    }
    for field in ["balance", "next_invoice_sequence"] {
        if let Some(number) = params.integer(field)? {
            customer[field] = json!(number);
        }
    }
    if let Some(prefix) = params.text("invoice_prefix")? {
        customer["invoice_prefix"] = json!(prefix);
    }
    if let Some(word) = params.choice("tax_exempt", &["", "exempt", "none", "reverse"])? {
        customer["tax_exempt"] = json!(if word.is_empty() { "none" } else { &word });
    }
    if let Some(locales) = params.list("preferred_locales")? {
        customer["preferred_locales"] = json!(locales);
    }
    if let Some(address) = params.group("address")? {
        customer["address"] = if address.is_empty() { Value::Null } else { address.object(&ADDRESS)? };
    }
    if let Some(shipping) = params.group("shipping")? {
        customer["shipping"] = read_shipping(shipping)?;
    }
    if let Some(settings) = params.group("invoice_settings")? {
        apply_invoice_settings(&mut customer["invoice_settings"], settings)?;
    }
    params.metadata(&mut customer["metadata"])?;
    // They need what the stand-in does not have (taxes, cash, sources), or belong to accounts of version 2.
    params.ignore(&["business_name", "cash_balance", "individual_name", "source", "tax", "validate"]);
    Ok(())
}

fn read_shipping(mut shipping: Params) -> Result<Value, ApiError> {
    if shipping.is_empty() {
        return Ok(Value::Null);
    }
    let name = shipping.required("name")?;
    let phone = nullable(shipping.text("phone")?.unwrap_or_default());
    let address = shipping.group("address")?.ok_or_else(|| ApiError::missing("shipping[address]"))?.object(&ADDRESS)?;
    shipping.finish()?;
    Ok(json!({ "address": address, "name": name, "phone": phone }))
}

fn apply_invoice_settings(settings: &mut Value, mut params: Params) -> Result<(), ApiError> {
    for field in ["default_payment_method", "footer"] {
        if let Some(text) = params.text(field)? {
            settings[field] = nullable(text);
        }
    }
    if let Some(fields) = params.groups("custom_fields")? {
        let fields = fields.into_iter().map(|field| field.object(&["name", "value"])).collect::<Result<Vec<_>, _>>()?;
        settings["custom_fields"] = if fields.is_empty() { Value::Null } else { json!(fields) };
    }
    if let Some(options) = params.group("rendering_options")? {
        settings["rendering_options"] = if options.is_empty() { Value::Null } else { options.object(&["amount_tax_display", "template"])? };
    }
    params.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_loosely() {
        assert!(["a@b", "ada+x@example.com", "\"q\"@example.com"].iter().all(|text| is_email(text)));
        assert!(["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\n"].iter().all(|text| !is_email(text)));
    }

    #[test]
    fn deleting_tells_of_the_whole_customer_and_keeps_a_stub() {
        let mut state = State::default();
        let mut ada = blank("cus_1", 1);
        ada["name"] = json!("Ada");
        state.customers.put(ada.clone());
        state.delete_customer(&Cause::of_itself(2), "cus_1").unwrap();
        assert_eq!(state.events.iter().next().unwrap()["data"]["object"], ada);
        assert_eq!(shown(state.customers.get("cus_1").unwrap().clone()), json!({ "id": "cus_1", "object": "customer", "deleted": true }));
        assert!(state.delete_customer(&Cause::of_itself(3), "cus_1").is_none());
    }
}
