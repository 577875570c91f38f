//! Invoice items: single charges that wait for the customer's next invoice.

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    objects::{invoice_items::drop_item, invoice_lines},
    routes::{
        Because,
        prices::fields,
        read::{Kind, whole},
    },
    shapes::prices,
    state::Shared,
    wire::{
        error::{Answer, ApiError},
        ids,
        listing::Fields,
        params::{Params, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "invoiceitem",
    url: "/v1/invoiceitems",
    table: |state| &state.invoice_items,
    dated: true,
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    let price = match params.group("pricing")? {
        None => None,
        Some(mut pricing) => {
            let price = pricing.required("price")?;
            pricing.finish()?;
            Some(price)
        }
    };
    let quantity = params.integer("quantity")?.unwrap_or(1);
    let amount = params.integer("amount")?;
    let currency = match price {
        None => Some(fields::currency(&mut params)?),
        Some(_) => params.text("currency")?,
    };
    let description = nullable(params.text("description")?.unwrap_or_default());
    let mut metadata = json!({});
    params.metadata(&mut metadata)?;
    params.ignore(&["discountable", "period", "tax_behavior", "tax_code"]);
    params.finish()?;
    let mut state = app.write();
    state.named_customer(&customer)?;
    let price = price
        .map(|id| state.prices.named("pricing[price]", "price", &id).cloned())
        .transpose()?;
    let amount = match (&price, amount) {
        (Some(price), _) => prices::amount(price, quantity),
        (None, amount) => amount.ok_or_else(|| ApiError::missing("amount"))?,
    };
    let currency = price
        .as_ref()
        .map_or_else(|| json!(currency), |price| price["currency"].clone());
    let item = json!({
        "id": ids::long("ii_"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "customer_account": null,
        "date": because.at,
        "description": description,
        "discountable": true,
        "discounts": [],
        "invoice": null,
        "livemode": false,
        "metadata": metadata,
        "net_amount": amount,
        "parent": null,
        "period": { "end": because.at, "start": because.at },
        "pricing": price.as_ref().map(invoice_lines::pricing),
        "proration": false,
        "quantity": quantity,
        "quantity_decimal": quantity.to_string(),
        "tax_rates": [],
        "test_clock": null,
    });
    state.emit(&because, "invoiceitem.created", &item);
    state.invoice_items.put(item.clone());
    Ok(Json(item))
}

pub async fn delete(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    params: Params,
) -> Answer {
    params.finish()?;
    let mut state = app.write();
    let item = state.invoice_items.find("invoiceitem", &id)?.clone();
    if item["invoice"].is_string() {
        return Err(ApiError::invalid(
            "id",
            "The invoice item is attached to an invoice that is no longer editable.",
        ));
    }
    drop_item(&mut state, &because, &item);
    Ok(Json(
        json!({ "id": id, "object": "invoiceitem", "deleted": true }),
    ))
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    KIND.retrieve(&app, &id, params, whole)
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let fields = Fields::from(
        &mut params,
        &[("customer", "/customer"), ("invoice", "/invoice")],
    )?;
    let pending = params.flag("pending")?;
    let wanted = |item: &Value| {
        fields.hold(item) && pending.is_none_or(|pending| item["invoice"].is_null() == pending)
    };
    KIND.list(&app, params, wanted, whole)
}
