//! Products: adding one.

use serde_json::Value;

use crate::{objects::events::Cause, state::State};

impl State {
    pub fn add_product(&mut self, cause: &Cause, product: Value) {
        self.emit(cause, "product.created", &product);
        self.products.put(product);
    }
}
