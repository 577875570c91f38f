//! Invoices: create, retrieve, update, list. What else can be done to one is in `actions`.

pub mod actions;

use axum::{
    Json,
    extract::{Path, State as Shelf},
};
use serde_json::{Value, json};

use crate::{
    objects::{billing, discounts::Wish, invoice_items},
    routes::{
        Because,
        read::{Kind, entries, list_part},
    },
    shapes::invoices::{Draft, add_lines, build},
    state::Shared,
    wire::{
        clock::DAY,
        error::{Answer, ApiError},
        ids,
        json::cut,
        listing::Fields,
        params::{Params, nullable},
    },
};

const KIND: Kind = Kind {
    noun: "invoice",
    url: "/v1/invoices",
    table: |state| &state.invoices,
    dated: true,
};

pub async fn create(Shelf(app): Shelf<Shared>, because: Because, mut params: Params) -> Answer {
    let customer = params.required("customer")?;
    let collection = params.choice(
        "collection_method",
        &["charge_automatically", "send_invoice"],
    )?;
    let days = params.integer("days_until_due")?;
    let due_date = params.integer("due_date")?;
    let behavior = params.choice("pending_invoice_items_behavior", &["exclude", "include"])?;
    let currency = params.text("currency")?;
    let sent = collection.as_deref() == Some("send_invoice");
    if sent && days.is_none() && due_date.is_none() {
        return Err(ApiError::invalid(
            "days_until_due",
            "If invoice collection method is 'send_invoice', you must specify 'days_until_due' or \
             'due_date'.",
        ));
    }
    let mut state = app.write();
    let customer = state.named_customer(&customer)?;
    let id = ids::long("in_");
    let mut invoice = build(Draft {
        id: &id,
        customer: &customer,
        currency: &json!(null),
        created: because.at,
        period: (because.at, because.at),
        reason: "manual",
        subscription: None,
        lines: Vec::new(),
    });
    apply(&mut invoice, &mut params)?;
    params.ignore(&["automatic_tax"]);
    params.finish()?;
    if sent {
        invoice["collection_method"] = json!("send_invoice");
        let due = due_date.or(days.map(|days| because.at + days.clamp(0, 10_000) * DAY));
        invoice["due_date"] = json!(due);
    }
    if behavior.as_deref() == Some("include") {
        let owner = customer["id"].as_str().unwrap_or_default();
        let lines = invoice_items::take(&mut state, owner, &id);
        add_lines(&mut invoice, lines);
    }
    let own = invoice["lines"]["data"][0]["currency"].clone();
    invoice["currency"] = [own, json!(currency), customer["currency"].clone()]
        .into_iter()
        .find(Value::is_string)
        .unwrap_or_else(|| json!("usd"));
    billing::issue(&mut state, &because, invoice.clone());
    Ok(Json(cut(invoice)))
}

pub async fn update(
    Shelf(app): Shelf<Shared>,
    Path(id): Path<String>,
    because: Because,
    mut params: Params,
) -> Answer {
    let mut state = app.write();
    let mut invoice = state.invoices.find("invoice", &id)?.clone();
    apply(&mut invoice, &mut params)?;
    params.finish()?;
    state.update_invoice(&because, invoice.clone());
    Ok(Json(cut(invoice)))
}

/// What creation and update share.
fn apply(invoice: &mut Value, params: &mut Params) -> Result<(), ApiError> {
    for field in ["description", "footer", "statement_descriptor"] {
        if let Some(text) = params.text(field)? {
            invoice[field] = nullable(text);
        }
    }
    if let Some(method) = params.text("default_payment_method")? {
        invoice["default_payment_method"] = nullable(method);
    }
    if let Some(flag) = params.flag("auto_advance")? {
        invoice["auto_advance"] = json!(flag);
    }
    params.metadata(&mut invoice["metadata"])
}

pub async fn retrieve(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    let wish = Wish::from(&params, "discounts");
    KIND.retrieve(&app, &id, params, |state, invoice| {
        wish.show(state, cut(invoice))
    })
}

/// `GET /v1/invoices/{id}/lines`: all of them.
pub async fn lines(Shelf(app): Shelf<Shared>, Path(id): Path<String>, params: Params) -> Answer {
    let url = format!("/v1/invoices/{id}/lines");
    list_part(&app, params, "line item", &url, |state| {
        let invoice = state.invoices.find("invoice", &id)?;
        Ok(entries(&invoice["lines"]["data"]))
    })
}

pub async fn all(Shelf(app): Shelf<Shared>, mut params: Params) -> Answer {
    let fields = Fields::from(
        &mut params,
        &[
            ("collection_method", "/collection_method"),
            ("customer", "/customer"),
            ("status", "/status"),
            ("subscription", "/parent/subscription_details/subscription"),
        ],
    )?;
    let wish = Wish::from(&params, "discounts");
    let wanted = |invoice: &Value| fields.hold(invoice);
    KIND.list(&app, params, wanted, |state, invoice| {
        wish.show(state, cut(invoice))
    })
}
