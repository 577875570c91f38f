//! The parameters of a payment intent.

use serde_json::{Value, json};

use crate::{
    objects::events::Cause,
    shapes::contact::ADDRESS,
    wire::{
        error::ApiError,
        params::{Params, nullable},
    },
};

/// Since endive the kinds of payment are chosen elsewhere, and naming them is refused. Programs of
/// older versions name them still.
pub fn refuse_types(cause: &Cause, params: &mut Params) -> Result<(), ApiError> {
    let named = params.list("payment_method_types")?.is_some();
    if named && cause.is_endive() {
        return Err(ApiError::invalid(
            "payment_method_types",
            "The `payment_method_types` parameter is no longer supported.",
        )
        .code("payment_method_types_no_longer_supported"));
    }
    Ok(())
}

/// Known, and without effect here.
pub fn ignore_details(params: &mut Params) {
    params.ignore(&[
        "automatic_payment_methods",
        "error_on_requires_action",
        "mandate_data",
        "off_session",
        "payment_method_options",
        "radar_options",
        "return_url",
        "use_stripe_sdk",
    ]);
}

/// What creation and update share.
pub fn apply(intent: &mut Value, params: &mut Params) -> Result<(), ApiError> {
    for field in [
        "description",
        "receipt_email",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    ] {
        if let Some(text) = params.text(field)? {
            intent[field] = nullable(text);
        }
    }
    if let Some(word) = params.choice("setup_future_usage", &["", "off_session", "on_session"])? {
        intent["setup_future_usage"] = nullable(word);
    }
    if let Some(mut shipping) = params.group("shipping")? {
        let address = shipping
            .group("address")?
            .ok_or_else(|| ApiError::missing("shipping[address]"))?;
        intent["shipping"] = json!({
            "address": address.object(&ADDRESS)?,
            "name": shipping.required("name")?,
            "phone": nullable(shipping.text("phone")?.unwrap_or_default()),
        });
        shipping.finish()?;
    }
    params.metadata(&mut intent["metadata"])
}
