//! What can be said about a customer: the parameters that creation and update share.

use serde_json::{Value, json};

use crate::{
    shapes::contact::{ADDRESS, is_email},
    wire::{
        error::ApiError,
        params::{Params, first, nullable},
    },
};

/// The parameters that creation and update share.
pub fn apply(customer: &mut Value, params: &mut Params) -> Result<(), ApiError> {
    for field in ["description", "name", "phone"] {
        if let Some(text) = params.text(field)? {
            customer[field] = nullable(text);
        }
    }
    if let Some(email) = params.text("email")? {
        if !email.is_empty() && !is_email(&email) {
            return Err(ApiError::invalid(
                "email",
                format!("Invalid email address: {}", first(&email, 60)),
            )
            .code("email_invalid"));
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
        customer["address"] = if address.is_empty() {
            Value::Null
        } else {
            address.object(&ADDRESS)?
        };
    }
    if let Some(shipping) = params.group("shipping")? {
        customer["shipping"] = read_shipping(shipping)?;
    }
    if let Some(settings) = params.group("invoice_settings")? {
        apply_invoice_settings(&mut customer["invoice_settings"], settings)?;
    }
    params.metadata(&mut customer["metadata"])?;
    // They need what the stand-in does not have (taxes, cash, sources), or belong to accounts of
    // version 2.
    params.ignore(&[
        "business_name",
        "cash_balance",
        "individual_name",
        "tax",
        "validate",
    ]);
    Ok(())
}

fn read_shipping(mut shipping: Params) -> Result<Value, ApiError> {
    if shipping.is_empty() {
        return Ok(Value::Null);
    }
    let name = shipping.required("name")?;
    let phone = nullable(shipping.text("phone")?.unwrap_or_default());
    let address = shipping
        .group("address")?
        .ok_or_else(|| ApiError::missing("shipping[address]"))?
        .object(&ADDRESS)?;
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
        let fields = fields
            .into_iter()
            .map(|field| field.object(&["name", "value"]))
            .collect::<Result<Vec<_>, _>>()?;
        settings["custom_fields"] = if fields.is_empty() {
            Value::Null
        } else {
            json!(fields)
        };
    }
    if let Some(options) = params.group("rendering_options")? {
        settings["rendering_options"] = if options.is_empty() {
            Value::Null
        } else {
            options.object(&["amount_tax_display", "template"])?
        };
    }
    params.finish()
}
