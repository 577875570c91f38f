//! What a product gives to those who subscribe to it: features, and which product has which.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    routes::read::{Kind, whole},
    shapes::features::{build, of_product, shown},
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        ids,
        listing::Fields,
        params::Params,
    },
};

const KIND: Kind = Kind {
    noun: "feature",
    url: "/v1/entitlements/features",
    table: |state| &state.features,
    dated: false,
};

const ATTACHED: Kind = Kind {
    noun: "product feature",
    url: "",
    table: |state| &state.product_features,
    dated: false,
};

pub async fn create(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let lookup_key = params.required("lookup_key")?;
    let mut feature = build(&ids::long("feat_"), &lookup_key, &params.required("name")?);
    params.metadata(&mut feature["metadata"])?;
    params.finish()?;
    let mut state = app.write();
    if state
        .features
        .iter()
        .any(|other| other["lookup_key"] == *lookup_key)
    {
        return Err(ApiError::invalid(
            "lookup_key",
            format!("A feature with the lookup key `{lookup_key}` already exists."),
        )
        .code("resource_already_exists"));
    }
    state.features.put(feature.clone());
    Ok(Json(feature))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, whole)
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut feature = state.features.find("feature", &id)?.clone();
    if let Some(active) = params.flag("active")? {
        feature["active"] = json!(active);
    }
    if let Some(name) = params.text("name")? {
        feature["name"] = json!(name);
    }
    params.metadata(&mut feature["metadata"])?;
    params.finish()?;
    state.features.put(feature.clone());
    Ok(Json(feature))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let fields = Fields::from(&mut params, &[("lookup_key", "/lookup_key")])?;
    let archived = params.flag("archived")?.unwrap_or(false);
    let wanted = |feature: &Value| feature["active"] != archived && fields.hold(feature);
    KIND.list(&app, params, wanted, whole)
}

/// `POST /v1/products/{id}/features`
pub async fn attach(
    Shelf(app): Shelf<Shared>,
    Path(product): Path<String>,
    mut params: Params,
) -> Answer {
    let feature = params.required("entitlement_feature")?;
    params.finish()?;
    let mut state = app.write();
    state.products.find("product", &product)?;
    let feature = state
        .features
        .named("entitlement_feature", "feature", &feature)?;
    let attached = of_product(&ids::long("prodft_"), &product, feature);
    state.product_features.put(attached.clone());
    Ok(Json(shown(attached)))
}

/// `GET /v1/products/{id}/features`
pub async fn attached(
    Shelf(app): Shelf<Shared>,
    Path(product): Path<String>,
    params: Params,
) -> Answer {
    ATTACHED.list_below(
        &app,
        params,
        &format!("/v1/products/{product}/features"),
        |state| state.products.find("product", &product).map(|_| ()),
        |row| row["product"] == *product,
        |_, row| shown(row),
    )
}

/// `DELETE /v1/products/{id}/features/{id}`
pub async fn detach(
    Shelf(app): Shelf<Shared>,
    Path((product, id)): Path<(String, String)>,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let row = state.product_features.find("product feature", &id)?;
    if row["product"] != *product {
        return Err(ApiError::no_such("product feature", &id));
    }
    state.product_features.remove(&id);
    Ok(Json(
        json!({ "id": id, "object": "product_feature", "deleted": true }),
    ))
}
