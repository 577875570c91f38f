//! Coupons. What becomes of one that is redeemed is in `discounts`.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::json;

use crate::{
    routes::{Because, read::Kind},
    shapes::coupons::{answered, build, shown},
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        ids,
        params::{Params, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "coupon",
    url: "/v1/coupons",
    table: |state| &state.coupons,
    dated: true,
};

/// The products that it is for; without any it is for all.
fn read_products(params: &mut Params) -> Result<Vec<String>, ApiError> {
    let Some(mut applies) = params.group("applies_to")? else {
        return Ok(Vec::new());
    };
    let products = applies.list("products")?.unwrap_or_default();
    applies.finish()?;
    Ok(products)
}

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
    let id = id.unwrap_or_else(|| ids::random("", 8));
    let mut coupon = build(&id, because.at);
    coupon["amount_off"] = json!(amount);
    coupon["percent_off"] = json!(percent);
    let currency = params.text("currency")?;
    coupon["currency"] = json!(currency.map(|currency| currency.to_lowercase()));
    if let Some(duration) = duration {
        coupon["duration"] = json!(duration);
    }
    for field in ["duration_in_months", "max_redemptions", "redeem_by"] {
        coupon[field] = json!(params.integer(field)?);
    }
    coupon["name"] = nullable(params.text("name")?.unwrap_or_default());
    params.metadata(&mut coupon["metadata"])?;
    let products = read_products(&mut params)?;
    let expanded = params.expands("applies_to");
    params.finish()?;
    let mut state = app.write();
    for product in &products {
        state
            .products
            .named("applies_to[products]", "product", product)?;
    }
    if !products.is_empty() {
        coupon["applies_to"] = json!({ "products": products });
    }
    if state.coupons.get(&id).is_some() {
        return Err(
            ApiError::invalid("id", "Coupon already exists.").code("resource_already_exists")
        );
    }
    state.emit(&because, "coupon.created", &shown(coupon.clone()));
    state.coupons.put(coupon.clone());
    Ok(Json(answered(coupon, expanded)))
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
    let expanded = params.expands("applies_to");
    params.finish()?;
    let (old, new) = (shown(before), shown(coupon.clone()));
    state.emit_update(&because, "coupon.updated", &old, &new);
    state.coupons.put(coupon.clone());
    Ok(Json(answered(coupon, expanded)))
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
    state.emit(&because, "coupon.deleted", &shown(coupon));
    state.coupons.remove(&id);
    Ok(Json(
        json!({ "id": id, "object": "coupon", "deleted": true }),
    ))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    let expanded = params.expands("applies_to");
    KIND.retrieve(&app, &id, params, |_, coupon| answered(coupon, expanded))
}

pub async fn all(Shelf(app): Shelf<Shared>, params: Params) -> Answer {
    let expanded = params.expands("applies_to");
    KIND.list(
        &app,
        params,
        |_| true,
        |_, coupon| answered(coupon, expanded),
    )
}
