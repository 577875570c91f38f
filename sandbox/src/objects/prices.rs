//! Prices: adding and changing them, and whom a lookup key belongs to.

use serde_json::Value;

use crate::{objects::events::Cause, shapes::prices::shown, state::State, wire::error::ApiError};

impl State {
    pub fn add_price(&mut self, cause: &Cause, price: Value) {
        self.emit(cause, "price.created", &shown(price.clone()));
        self.prices.put(price);
    }

    pub fn update_price(&mut self, cause: &Cause, after: Value) {
        let id = after["id"].as_str().unwrap_or_default();
        if let Some(before) = self.prices.get(id).cloned() {
            let (old, new) = (shown(before), shown(after.clone()));
            self.emit_update(cause, "price.updated", &old, &new);
            self.prices.put(after);
        }
    }

    /// A lookup key belongs to one price. With `transfer` it leaves the one that has it.
    pub fn claim_key(
        &mut self,
        cause: &Cause,
        price: &Value,
        transfer: bool,
    ) -> Result<(), ApiError> {
        let holder = self.prices.iter().find(|other| {
            price["lookup_key"].is_string()
                && other["lookup_key"] == price["lookup_key"]
                && other["id"] != price["id"]
        });
        match holder.cloned() {
            None => Ok(()),
            Some(mut holder) if transfer => {
                holder["lookup_key"] = Value::Null;
                self.update_price(cause, holder);
                Ok(())
            }
            Some(_) => Err(ApiError::invalid(
                "lookup_key",
                format!(
                    "A price with lookup key `{}` already exists. If you would like to transfer \
                     the lookup key, use `transfer_lookup_key: true`.",
                    price["lookup_key"].as_str().unwrap_or_default()
                ),
            )
            .code("resource_already_exists")),
        }
    }
}
