//! Prices: what a product costs and how often, by the unit or in tiers.

pub mod fields;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    routes::{Because, read::Kind},
    shapes::{prices::shown, products},
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        ids,
        listing::Fields,
        params::Params,
    },
};

const KIND: Kind = Kind {
    noun: "price",
    url: "/v1/prices",
    table: |state| &state.prices,
    dated: true,
};

/// As many as a list may be filtered by.
const MOST_KEYS: usize = 10;

fn answered(price: Value, tiers: bool) -> Value {
    if tiers { price } else { shown(price) }
}

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let mut price = fields::read(&ids::long("price_"), because.at, &mut params)?;
    let transfer = fields::apply(&mut price, &mut params)?;
    let new_product = match (params.text("product")?, params.group("product_data")?) {
        (Some(id), None) => {
            price["product"] = json!(id);
            None
        }
        (None, Some(mut data)) => {
            let mut product =
                products::build(&ids::short("prod_"), &data.required("name")?, because.at);
            data.metadata(&mut product["metadata"])?;
            data.ignore(&[
                "active",
                "id",
                "statement_descriptor",
                "tax_code",
                "unit_label",
            ]);
            data.finish()?;
            price["product"] = product["id"].clone();
            Some(product)
        }
        (None, None) => return Err(ApiError::missing("product")),
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "product",
                "You may only specify one of these parameters: product, product_data.",
            ));
        }
    };
    params.ignore(&["currency_options"]);
    let tiers = params.expands("tiers");
    params.finish()?;
    let mut state = app.write();
    if let Some(product) = new_product {
        state.add_product(&because, product);
    }
    let product = price["product"].as_str().unwrap_or_default();
    state.products.named("product", "product", product)?;
    state.claim_key(&because, &price, transfer)?;
    state.add_price(&because, price.clone());
    Ok(Json(answered(price, tiers)))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut price = state.prices.find("price", &id)?.clone();
    let transfer = fields::apply(&mut price, &mut params)?;
    params.ignore(&["currency_options"]);
    let tiers = params.expands("tiers");
    params.finish()?;
    state.claim_key(&because, &price, transfer)?;
    state.update_price(&because, price.clone());
    Ok(Json(answered(price, tiers)))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    let tiers = params.expands("tiers");
    KIND.retrieve(&app, &id, params, |_, price| answered(price, tiers))
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let active = params.flag("active")?;
    let keys = params.list("lookup_keys")?;
    if keys.as_ref().is_some_and(|keys| keys.len() > MOST_KEYS) {
        return Err(ApiError::invalid(
            "lookup_keys",
            format!("You may specify up to {MOST_KEYS} lookup keys."),
        ));
    }
    let fields = Fields::from(
        &mut params,
        &[
            ("currency", "/currency"),
            ("product", "/product"),
            ("type", "/type"),
        ],
    )?;
    let recurring = params.group("recurring")?.map(|mut recurring| {
        let read = Fields::from(
            &mut recurring,
            &[
                ("interval", "/recurring/interval"),
                ("meter", "/recurring/meter"),
                ("usage_type", "/recurring/usage_type"),
            ],
        )?;
        recurring.finish().map(|()| read)
    });
    let recurring = recurring.transpose()?;
    let tiers = params.expands("tiers");
    let wanted = |price: &Value| {
        active.is_none_or(|active| price["active"] == active)
            && fields.hold(price)
            && recurring.as_ref().is_none_or(|fields| fields.hold(price))
            && keys
                .as_ref()
                .is_none_or(|keys| keys.iter().any(|key| price["lookup_key"] == **key))
    };
    KIND.list(&app, params, wanted, |_, price| answered(price, tiers))
}
