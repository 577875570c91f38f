//! The parameters of a checkout session.

use serde_json::{Value, json};

use crate::{
    shapes::{
        checkout::line_item,
        contact::{ADDRESS, is_email},
        prices,
    },
    state::State,
    wire::{
        error::ApiError,
        params::{Params, first, is_web_address, nullable},
    },
};

/// Gives the fields of the session that the request decides.
pub fn read(params: &mut Params, mode: &str) -> Result<Value, ApiError> {
    let mut asked = json!({ "details": {}, "metadata": {} });
    for field in ["cancel_url", "success_url"] {
        let url = params.text(field)?;
        if url.as_deref().is_some_and(|url| !is_web_address(url)) {
            return Err(ApiError::invalid(field, "Not a valid URL").code("url_invalid"));
        }
        asked[field] = json!(url);
    }
    for field in [
        "client_reference_id",
        "customer",
        "customer_email",
        "locale",
    ] {
        asked[field] = nullable(params.text(field)?.unwrap_or_default());
    }
    if asked["customer"].is_string() && asked["customer_email"].is_string() {
        return Err(ApiError::invalid(
            "customer_email",
            "You may only specify one of these parameters: customer, customer_email.",
        ));
    }
    if let Some(email) = asked["customer_email"]
        .as_str()
        .filter(|email| !is_email(email))
    {
        return Err(ApiError::invalid(
            "customer_email",
            format!("Invalid email address: {}", first(email, 60)),
        )
        .code("email_invalid"));
    }
    if let Some(flag) = params.flag("allow_promotion_codes")? {
        asked["allow_promotion_codes"] = json!(flag);
    }
    let words = ["always", "if_required"];
    let creation = params.choice("customer_creation", &words)?;
    if creation.is_some() && mode != "payment" {
        return Err(ApiError::invalid(
            "customer_creation",
            "`customer_creation` can only be used in `payment` mode.",
        ));
    }
    asked["customer_creation"] = match mode {
        "payment" if asked["customer"].is_null() => json!(creation.unwrap_or("if_required".into())),
        "subscription" if asked["customer"].is_null() => json!("always"),
        _ => Value::Null,
    };
    params.metadata(&mut asked["metadata"])?;
    if let Some(mut data) = params.group("subscription_data")? {
        let mut read = json!({ "metadata": {} });
        read["description"] = nullable(data.text("description")?.unwrap_or_default());
        read["trial_period_days"] = json!(data.integer("trial_period_days")?);
        data.metadata(&mut read["metadata"])?;
        data.finish()?;
        asked["details"]["subscription_data"] = read;
    }
    if let Some(mut data) = params.group("payment_intent_data")? {
        let mut read = json!({ "metadata": {} });
        for field in ["description", "setup_future_usage"] {
            read[field] = nullable(data.text(field)?.unwrap_or_default());
        }
        if let Some(mut shipping) = data.group("shipping")? {
            let address = shipping.group("address")?.unwrap_or_default();
            read["shipping"] = json!({
                "address": address.object(&ADDRESS)?,
                "name": shipping.text("name")?,
                "phone": shipping.text("phone")?,
            });
            shipping.finish()?;
        }
        data.metadata(&mut read["metadata"])?;
        data.ignore(&["receipt_email", "statement_descriptor"]);
        data.finish()?;
        asked["details"]["payment_intent_data"] = read;
    }
    Ok(asked)
}

pub fn read_line(state: &State, mut line: Params, mode: &str) -> Result<Value, ApiError> {
    let place = line.name("price");
    let price = line.required("price")?;
    let quantity = line.integer("quantity")?.unwrap_or(1);
    line.ignore(&["adjustable_quantity", "tax_rates"]);
    line.finish()?;
    let price = state.prices.named(&place, "price", &price)?;
    if mode == "payment" && price["recurring"].is_object() {
        return Err(ApiError::invalid(
            &place,
            "You specified `payment` mode but passed a recurring price. Either switch to \
             `subscription` mode or use only one-time prices.",
        ));
    }
    let product = price["product"].as_str().unwrap_or_default();
    let name = state
        .products
        .get(product)
        .map_or(Value::Null, |product| product["name"].clone());
    let amount = prices::amount(price, quantity);
    Ok(line_item(
        &prices::shown(price.clone()),
        quantity,
        amount,
        &name,
    ))
}
