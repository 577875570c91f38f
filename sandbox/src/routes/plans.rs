//! Plans: the older view of recurring prices, which subscription items still carry and old
//! programs still make.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    routes::{Because, prices::fields, read::Kind},
    shapes::{
        plans::plan,
        prices::{self, shown},
        products,
    },
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        ids,
        listing::Fields,
        params::Params,
    },
};

const KIND: Kind = Kind {
    noun: "plan",
    url: "/v1/plans",
    table: |state| &state.prices,
    dated: true,
};

/// A plan is stored as the price that it is.
pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let id = params.text("id")?.filter(|id| !id.is_empty());
    let currency = fields::currency(&mut params)?;
    let amount = params
        .integer("amount")?
        .ok_or_else(|| ApiError::missing("amount"))?;
    let interval = params.choice("interval", &["day", "month", "week", "year"])?;
    let interval = interval.ok_or_else(|| ApiError::missing("interval"))?;
    let count = params.integer("interval_count")?.unwrap_or(1);
    let id = id.unwrap_or_else(|| ids::long("plan_"));
    let mut price = prices::build(
        &id,
        "",
        amount,
        &currency,
        Some((&interval, count)),
        because.at,
    );
    fields::apply(&mut price, &mut params)?;
    // A product's id, or a new product.
    let mut new_product = None;
    match params.clone().text("product") {
        Ok(_) => price["product"] = json!(params.required("product")?),
        Err(_) => {
            if let Some(mut data) = params.group("product")? {
                let name = data.required("name")?;
                data.finish()?;
                let product = products::build(&ids::short("prod_"), &name, because.at);
                price["product"] = product["id"].clone();
                new_product = Some(product);
            }
        }
    }
    params.ignore(&["usage_type", "billing_scheme", "trial_period_days"]);
    params.finish()?;
    let mut state = app.write();
    if let Some(product) = new_product {
        state.add_product(&because, product);
    }
    let product = price["product"].as_str().unwrap_or_default();
    state.products.named("product", "product", product)?;
    if state.prices.get(&id).is_some() {
        return Err(ApiError::invalid("id", "Plan already exists.").code("resource_already_exists"));
    }
    let plan = plan(&price);
    state.emit(&because, "plan.created", &plan);
    state.add_price(&because, price);
    Ok(Json(plan))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let before = state.prices.find("plan", &id)?.clone();
    let mut price = before.clone();
    fields::apply(&mut price, &mut params)?;
    params.finish()?;
    let plan_now = plan(&price);
    state.emit_update(&because, "plan.updated", &plan(&before), &plan_now);
    state.update_price(&because, price);
    Ok(Json(plan_now))
}

pub async fn delete(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let price = state.prices.find("plan", &id)?.clone();
    state.emit(&because, "plan.deleted", &plan(&price));
    state.emit(&because, "price.deleted", &shown(price));
    state.prices.remove(&id);
    Ok(Json(json!({ "id": id, "object": "plan", "deleted": true })))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, |_, price| plan(&price))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let active = params.flag("active")?;
    let fields = Fields::from(&mut params, &[("product", "/product")])?;
    let wanted = |price: &Value| {
        price["recurring"].is_object()
            && active.is_none_or(|active| price["active"] == active)
            && fields.hold(price)
    };
    KIND.list(&app, params, wanted, |_, price| plan(&price))
}
