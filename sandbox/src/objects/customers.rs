//! Customers: found, changed and deleted. A deleted customer stays as a stub, as at Stripe.

use serde_json::{Value, json};

use crate::{
    objects::{events::Cause, subscriptions},
    shapes::customers::is_deleted,
    state::State,
    wire::error::ApiError,
};

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

#[cfg(test)]
mod tests {
    use crate::shapes::{
        contact::is_email,
        customers::{blank, shown},
    };

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
