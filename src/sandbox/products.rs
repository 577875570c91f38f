//! Products: what is sold, as far as prices and the portal page need them.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use super::{
    error::{Answer, ApiError},
    events::Because,
    ids,
    params::{Params, nullable},
    state::Shared,
    table::{Created, Page, list},
};

pub fn build(id: &str, name: &str, created: i64) -> Value {
    json!({
        "id": id,
        "object": "product",
        "active": true,
        "created": created,
        "default_price": null,
        "description": null,
        "images": [],
        "livemode": false,
        "marketing_features": [],
        "metadata": {},
        "name": name,
        "package_dimensions": null,
        "shippable": null,
        "statement_descriptor": null,
        "tax_code": null,
        "tax_details": null,
        "type": "service",
        "unit_label": null,
        "updated": created,
        "url": null,
    })
}

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let id = params
        .text("id")?
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| ids::short("prod_"));
    let mut product = build(&id, &params.required("name")?, because.at);
    for field in [
        "description",
        "statement_descriptor",
        "tax_code",
        "unit_label",
        "url",
    ] {
        product[field] = nullable(params.text(field)?.unwrap_or_default());
    }
    if let Some(active) = params.flag("active")? {
        product["active"] = json!(active);
    }
    if let Some(images) = params.list("images")? {
        product["images"] = json!(images);
    }
    params.metadata(&mut product["metadata"])?;
    params.ignore(&["type"]);
    params.finish()?;
    let mut state = app.write();
    if state.products.get(&id).is_some() {
        return Err(
            ApiError::invalid("id", "Product already exists.").code("resource_already_exists")
        );
    }
    state.emit(&because, "product.created", &product);
    state.products.put(product.clone());
    Ok(Json(product))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    params.finish()?;
    let product = app.read().products.get(&id).cloned();
    product
        .map(Json)
        .ok_or_else(|| ApiError::no_such("product", &id))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let page = Page::from(&mut params)?;
    let created = Created::from(&mut params)?;
    let active = params.flag("active")?;
    let wanted = params.list("ids")?;
    params.finish()?;
    let (data, more) = app.read().products.page(&page, "product", |product| {
        created.holds(product)
            && active.is_none_or(|active| product["active"] == active)
            && wanted
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| product["id"] == **id))
    })?;
    Ok(Json(list("/v1/products", data, more)))
}
