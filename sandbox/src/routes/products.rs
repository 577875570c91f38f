//! Products: what is sold. Those that have prices can be archived, but not deleted.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    routes::{
        Because,
        read::{Kind, whole},
    },
    shapes::products::build,
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        ids,
        params::{Params, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "product",
    url: "/v1/products",
    table: |state| &state.products,
    dated: true,
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let id = params
        .text("id")?
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| ids::short("prod_"));
    let mut product = build(&id, &params.required("name")?, because.at);
    apply(&mut product, &mut params)?;
    params.ignore(&["type"]);
    params.finish()?;
    let mut state = app.write();
    if state.products.get(&id).is_some() {
        return Err(
            ApiError::invalid("id", "Product already exists.").code("resource_already_exists")
        );
    }
    state.add_product(&because, product.clone());
    Ok(Json(product))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let before = state.products.find("product", &id)?.clone();
    let mut product = before.clone();
    if let Some(name) = params.text("name")? {
        if name.is_empty() {
            return Err(
                ApiError::invalid("name", "A product has a name.").code("parameter_invalid_empty")
            );
        }
        product["name"] = json!(name);
    }
    if let Some(price) = params.text("default_price")? {
        let price = state.prices.named("default_price", "price", &price)?;
        product["default_price"] = price["id"].clone();
    }
    apply(&mut product, &mut params)?;
    params.finish()?;
    if product != before {
        product["updated"] = json!(because.at);
    }
    state.emit_update(&because, "product.updated", &before, &product);
    state.products.put(product.clone());
    Ok(Json(product))
}

/// What creation and update share.
fn apply(product: &mut Value, params: &mut Params) -> Result<(), ApiError> {
    for field in [
        "description",
        "statement_descriptor",
        "tax_code",
        "unit_label",
        "url",
    ] {
        if let Some(text) = params.text(field)? {
            product[field] = nullable(text);
        }
    }
    for field in ["active", "shippable"] {
        if let Some(flag) = params.flag(field)? {
            product[field] = json!(flag);
        }
    }
    if let Some(images) = params.list("images")? {
        product["images"] = json!(images);
    }
    if let Some(features) = params.groups("marketing_features")? {
        let features = features
            .into_iter()
            .map(|feature| feature.object(&["name"]))
            .collect::<Result<Vec<_>, _>>()?;
        product["marketing_features"] = json!(features);
    }
    params.metadata(&mut product["metadata"])
}

pub async fn delete(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let product = state.products.find("product", &id)?.clone();
    if state.prices.iter().any(|price| price["product"] == *id) {
        return Err(ApiError::invalid(
            "id",
            "This product cannot be deleted because it has one or more user-created prices.",
        ));
    }
    state.emit(&because, "product.deleted", &product);
    state.products.remove(&id);
    Ok(Json(
        json!({ "id": id, "object": "product", "deleted": true }),
    ))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, whole)
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let active = params.flag("active")?;
    let ids = params.list("ids")?;
    let wanted = |product: &Value| {
        active.is_none_or(|active| product["active"] == active)
            && ids
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| product["id"] == **id))
    };
    KIND.list(&app, params, wanted, whole)
}
