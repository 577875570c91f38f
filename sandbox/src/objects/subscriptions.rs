//! Subscriptions: stored, changed and ended. What the customer may use follows from them.

use serde_json::{Value, json};

use crate::{
    objects::{entitlements, events::Cause},
    state::State,
};

/// Ends it now. "Deleted" is Stripe's word for canceled: the object stays.
pub fn end(state: &mut State, cause: &Cause, mut subscription: Value) -> Value {
    subscription["status"] = json!("canceled");
    if subscription["canceled_at"].is_null() {
        subscription["canceled_at"] = json!(cause.at);
    }
    subscription["ended_at"] = json!(cause.at);
    subscription["cancellation_details"]["reason"] = json!("cancellation_requested");
    state.put_subscription(cause, "customer.subscription.deleted", subscription.clone());
    subscription
}

impl State {
    pub fn update_subscription(&mut self, cause: &Cause, after: Value) {
        let id = after["id"].as_str().unwrap_or_default();
        if let Some(before) = self.subscriptions.get(id).cloned() {
            self.emit_update(cause, "customer.subscription.updated", &before, &after);
            self.keep_subscription(cause, after);
        }
    }

    /// Tells of it with its whole, and stores it.
    pub fn put_subscription(&mut self, cause: &Cause, kind: &str, subscription: Value) {
        self.emit(cause, kind, &subscription);
        self.keep_subscription(cause, subscription);
    }

    /// What the customer may use follows from the subscriptions.
    fn keep_subscription(&mut self, cause: &Cause, subscription: Value) {
        let customer = subscription["customer"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let before = entitlements::of_customer(self, &customer);
        self.subscriptions.put(subscription);
        entitlements::tell(self, cause, &customer, before);
    }
}
