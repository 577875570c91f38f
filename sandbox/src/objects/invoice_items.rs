//! Invoice items that an invoice takes in, and that go with a draft.

use serde_json::{Value, json};

use crate::{
    objects::{events::Cause, invoice_lines},
    state::State,
};

/// The lines of all that waits, which belongs to `invoice` from now on.
pub fn take(state: &mut State, customer: &str, invoice: &str) -> Vec<Value> {
    let waiting: Vec<Value> = state
        .invoice_items
        .iter()
        .filter(|item| item["customer"] == *customer && item["invoice"].is_null())
        .cloned()
        .collect();
    waiting
        .into_iter()
        .rev()
        .map(|mut item| {
            item["invoice"] = json!(invoice);
            let line = invoice_lines::of_item(&item);
            state.invoice_items.put(item);
            line
        })
        .collect()
}

pub fn drop_item(state: &mut State, cause: &Cause, item: &Value) {
    state.emit(cause, "invoiceitem.deleted", item);
    state
        .invoice_items
        .remove(item["id"].as_str().unwrap_or_default());
}

/// A draft that goes takes its items along.
pub fn drop_all_of(state: &mut State, cause: &Cause, invoice: &str) {
    let items: Vec<Value> = state
        .invoice_items
        .iter()
        .filter(|item| item["invoice"] == *invoice)
        .cloned()
        .collect();
    for item in items {
        drop_item(state, cause, &item);
    }
}
