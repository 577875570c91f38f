//! `POST /v1/billing_portal/sessions`: a short-lived link to the hosted portal page of one
//! customer.

use axum::{Extension, Json, extract::State as Shelf};
use serde_json::{Value, json};

use crate::{
    objects::portal_settings,
    routes::{Because, gate::OtherPortalUrl},
    shapes::portal_settings::DEFAULT,
    state::{Shared, State, portal_session::PortalSession},
    wire::{
        error::{Answer, ApiError},
        ids,
        params::{Params, is_web_address},
    },
};

/// How long a link waits for its first visit.
const UNOPENED: i64 = 5 * 60;

const LOCALES: [&str; 47] = [
    "auto", "bg", "cs", "da", "de", "el", "en", "en-AU", "en-CA", "en-GB", "en-IE", "en-IN",
    "en-NZ", "en-SG", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr", "hu", "id", "it",
    "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl",
    "sv", "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];
const FLOWS: [&str; 6] = [
    "customer_update",
    "payment_method_update",
    "subscription_cancel",
    "subscription_pause",
    "subscription_update",
    "subscription_update_confirm",
];
const COMPLETIONS: [&str; 3] = ["hosted_confirmation", "portal_homepage", "redirect"];

pub async fn create(
    Shelf(app): Shelf<Shared>,
    other: Option<Extension<OtherPortalUrl>>,
    because: Because,
    mut params: Params,
) -> Answer {
    let customer = params.required("customer")?;
    let return_url = params.text("return_url")?;
    if return_url
        .as_deref()
        .is_some_and(|url| !is_web_address(url))
    {
        return Err(ApiError::invalid("return_url", "Not a valid URL").code("url_invalid"));
    }
    let configuration = params.text("configuration")?;
    let locale = params.choice("locale", &LOCALES)?;
    let flow = params.group("flow_data")?;
    params.ignore(&["after_expiration", "on_behalf_of"]);
    params.finish()?;

    let mut state = app.write();
    if state.customer(&customer).is_none() {
        return Err(ApiError::no_such_param("customer", "customer", &customer));
    }
    match configuration.as_deref() {
        Some(id) if !portal_settings::is_known(&state, id) => {
            let noun = "configuration";
            return Err(ApiError::no_such_param(noun, noun, id));
        }
        None if state.portal_is_unsaved => return Err(portal_settings::refusal()),
        _ => {}
    }
    let flow = flow.map_or(Ok(Value::Null), |flow| read_flow(&state, &customer, flow))?;
    let token = ids::random("test_", 40);
    let url = other.map_or_else(
        || format!("{}/p/session/{token}", state.base_url),
        |Extension(other)| other.0,
    );
    let session = json!({
        "id": ids::long("bps_"),
        "object": "billing_portal.session",
        "after_expiration": null,
        "configuration": configuration.as_deref().unwrap_or(DEFAULT),
        "created": because.at,
        "customer": customer,
        "customer_account": null,
        "flow": flow,
        "livemode": false,
        "locale": locale,
        "on_behalf_of": null,
        "return_url": return_url,
        "url": url,
    });
    state
        .portal_sessions
        .retain(|_, session| session.expires_at > because.at);
    state.portal_sessions.insert(
        token,
        PortalSession {
            customer,
            return_url,
            flow,
            expires_at: because.at + UNOPENED,
        },
    );
    Ok(Json(session))
}

/// Checks `flow_data` and gives it the shape of the answer.
fn read_flow(state: &State, customer: &str, mut params: Params) -> Result<Value, ApiError> {
    let kind = params
        .choice("type", &FLOWS)?
        .ok_or_else(|| ApiError::missing("flow_data[type]"))?;
    let mut flow = json!({
        "after_completion": read_completion(params.group("after_completion")?)?,
        "customer_update": null,
        "subscription_cancel": null,
        "subscription_pause": null,
        "subscription_update": null,
        "subscription_update_confirm": null,
        "type": kind,
    });
    if kind == "customer_update" {
        flow["customer_update"] = json!({});
    }
    if kind.starts_with("subscription_") {
        let mut details = params
            .group(&kind)?
            .ok_or_else(|| ApiError::missing(&params.name(&kind)))?;
        let field = details.name("subscription");
        let id = details.required("subscription")?;
        let subscription = state
            .subscriptions
            .get(&id)
            .filter(|subscription| subscription["customer"] == *customer);
        let subscription =
            subscription.ok_or_else(|| ApiError::no_such_param(&field, "subscription", &id))?;
        if subscription["status"] == "canceled" {
            return Err(ApiError::invalid(
                &field,
                "The subscription is canceled and cannot be changed in the portal.",
            ));
        }
        flow[kind.as_str()] = match kind.as_str() {
            "subscription_cancel" => json!({ "retention": null, "subscription": id }),
            "subscription_update_confirm" => {
                json!({ "discounts": null, "items": read_items(&mut details)?, "subscription": id })
            }
            _ => json!({ "subscription": id }),
        };
        details.ignore(&["discounts", "retention"]);
        details.finish()?;
    }
    params.finish()?;
    Ok(flow)
}

fn read_completion(params: Option<Params>) -> Result<Value, ApiError> {
    let mut completion =
        json!({ "hosted_confirmation": null, "redirect": null, "type": "portal_homepage" });
    let Some(mut params) = params else {
        return Ok(completion);
    };
    let kind = params
        .choice("type", &COMPLETIONS)?
        .ok_or_else(|| ApiError::missing(&params.name("type")))?;
    if let Some(mut redirect) = params.group("redirect")? {
        let url = redirect.required("return_url")?;
        if !is_web_address(&url) {
            return Err(
                ApiError::invalid(&redirect.name("return_url"), "Not a valid URL")
                    .code("url_invalid"),
            );
        }
        redirect.finish()?;
        completion["redirect"] = json!({ "return_url": url });
    } else if kind == "redirect" {
        return Err(ApiError::missing(&params.name("redirect")));
    }
    if let Some(mut confirmation) = params.group("hosted_confirmation")? {
        completion["hosted_confirmation"] =
            json!({ "custom_message": confirmation.text("custom_message")? });
        confirmation.finish()?;
    } else if kind == "hosted_confirmation" {
        completion["hosted_confirmation"] = json!({ "custom_message": null });
    }
    completion["type"] = json!(kind);
    params.finish()?;
    Ok(completion)
}

fn read_items(details: &mut Params) -> Result<Value, ApiError> {
    let items = details
        .groups("items")?
        .ok_or_else(|| ApiError::missing(&details.name("items")))?;
    let [mut item] = <[Params; 1]>::try_from(items).map_err(|_| {
        ApiError::invalid(&details.name("items"), "Exactly one item can be updated.")
    })?;
    let read = json!({
        "id": item.required("id")?,
        "price": item.text("price")?,
        "quantity": item.integer("quantity")?.unwrap_or(1),
    });
    item.finish()?;
    Ok(json!([read]))
}
