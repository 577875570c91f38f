//! Coupons, as far as a customer's discount needs them. Sums are not changed by them.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::json;

use super::{
    error::{Answer, ApiError},
    events::Because,
    ids,
    listing::{Page, list},
    params::{Params, nullable},
    state::Shared,
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let id = params.text("id")?.filter(|id| !id.is_empty());
    let percent = params.text("percent_off")?;
    let percent = percent
        .map(|text| {
            let number = text.parse::<f64>().ok();
            number
                .filter(|percent| *percent > 0.0 && *percent <= 100.0)
                .ok_or_else(|| ApiError::invalid("percent_off", "Invalid decimal"))
        })
        .transpose()?;
    let amount = params.integer("amount_off")?;
    if percent.is_some() == amount.is_some() {
        return Err(ApiError::new(
            axum::http::StatusCode::BAD_REQUEST,
            "You must pass exactly one of percent_off or amount_off.",
        ));
    }
    let duration = params.choice("duration", &["forever", "once", "repeating"])?;
    let mut coupon = json!({
        "id": id.unwrap_or_else(|| ids::random("", 8)),
        "object": "coupon",
        "amount_off": amount,
        "created": because.at,
        "currency": params.text("currency")?,
        "duration": duration.as_deref().unwrap_or("once"),
        "duration_in_months": params.integer("duration_in_months")?,
        "livemode": false,
        "max_redemptions": params.integer("max_redemptions")?,
        "metadata": {},
        "name": nullable(params.text("name")?.unwrap_or_default()),
        "percent_off": percent,
        "redeem_by": params.integer("redeem_by")?,
        "times_redeemed": 0,
        "valid": true,
    });
    params.metadata(&mut coupon["metadata"])?;
    params.finish()?;
    let mut state = app.write();
    let id = coupon["id"].as_str().unwrap_or_default();
    if state.coupons.get(id).is_some() {
        return Err(
            ApiError::invalid("id", "Coupon already exists.").code("resource_already_exists")
        );
    }
    state.emit(&because, "coupon.created", &coupon);
    state.coupons.put(coupon.clone());
    Ok(Json(coupon))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let before = state.coupons.find("coupon", &id)?.clone();
    let mut coupon = before.clone();
    if let Some(name) = params.text("name")? {
        coupon["name"] = nullable(name);
    }
    params.metadata(&mut coupon["metadata"])?;
    params.finish()?;
    state.emit_update(&because, "coupon.updated", &before, &coupon);
    state.coupons.put(coupon.clone());
    Ok(Json(coupon))
}

pub async fn delete(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let coupon = state.coupons.find("coupon", &id)?.clone();
    state.emit(&because, "coupon.deleted", &coupon);
    state.coupons.remove(&id);
    Ok(Json(
        json!({ "id": id, "object": "coupon", "deleted": true }),
    ))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    Ok(Json(app.read().coupons.find("coupon", &id)?.clone()))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::dated(&mut params)?;
    params.finish()?;
    let (data, more) = app.read().coupons.page(&page, "coupon", |_| true)?;
    Ok(Json(list("/v1/coupons", data, more)))
}
