//! How an invoice looks: a draft first, which then goes through its states.

use serde_json::{Value, json};

use crate::wire::{ids, json::joined, listing::list};

/// What decides how a new invoice looks; the rest follows.
#[derive(Debug)]
pub struct Draft<'a> {
    pub id: &'a str,
    pub customer: &'a Value,
    pub currency: &'a Value,
    pub created: i64,
    /// The time before the invoice, in which what it bills came together.
    pub period: (i64, i64),
    pub reason: &'a str,
    /// The subscription that it is for.
    pub subscription: Option<&'a Value>,
    pub lines: Vec<Value>,
}

pub fn build(draft: Draft<'_>) -> Value {
    let Draft {
        id,
        customer,
        currency,
        created,
        period,
        reason,
        subscription,
        lines,
    } = draft;
    let parent = subscription.map(|subscription| {
        json!({
            "quote_details": null,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        })
    });
    let collection = subscription.map_or(json!("charge_automatically"), |subscription| {
        subscription["collection_method"].clone()
    });
    let method = subscription.map_or(Value::Null, |subscription| {
        subscription["default_payment_method"].clone()
    });
    let own = json!({
        "id": id,
        "object": "invoice",
        "attempt_count": 0,
        "attempted": false,
        "auto_advance": subscription.is_some(),
        "billing_reason": reason,
        "collection_method": collection,
        "created": created,
        "currency": currency,
        "default_payment_method": method,
        "effective_at": null,
        "lines": list(&format!("/v1/invoices/{id}/lines"), Vec::new(), false),
        "livemode": false,
        "number": null,
        "parent": parent,
        "period_end": period.1,
        "period_start": period.0,
        "status": "draft",
        "status_transitions": {
            "finalized_at": null,
            "marked_uncollectible_at": null,
            "paid_at": null,
            "voided_at": null,
        },
        "webhooks_delivered_at": null,
    });
    let mut invoice = joined([own, billed_to(customer), unused(), sums(0)]);
    add_lines(&mut invoice, lines);
    invoice
}

/// Takes lines in and counts them up.
pub fn add_lines(invoice: &mut Value, lines: Vec<Value>) {
    let id = invoice["id"].clone();
    if let Some(data) = invoice["lines"]["data"].as_array_mut() {
        for mut line in lines {
            line["id"] = json!(ids::long("il_"));
            line["invoice"] = id.clone();
            data.push(line);
        }
    }
    let amount = invoice["lines"]["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|line| line["amount"].as_i64())
        .fold(0, i64::saturating_add);
    if let (Value::Object(sums), Some(fields)) = (sums(amount), invoice.as_object_mut()) {
        fields.extend(sums);
    }
}

/// Takes discounts off, one after the other, each of what those before it left.
pub fn discount(invoice: &mut Value, discounts: &[Value]) {
    let currency = invoice["currency"].clone();
    let mut off = 0_i64;
    let mut amounts = Vec::with_capacity(discounts.len());
    for discount in discounts {
        let coupon = &discount["source"]["coupon"];
        let percent = coupon["percent_off"].as_f64();
        // An amount of another currency takes nothing off.
        let mut left = coupon["amount_off"]
            .as_i64()
            .filter(|_| coupon["currency"] == currency)
            .unwrap_or_default();
        let mut taken = 0_i64;
        let lines = invoice["lines"]["data"].as_array_mut();
        for line in lines.into_iter().flatten() {
            if !is_for(coupon, line) {
                continue;
            }
            let rest = undiscounted(line);
            let part = percent.map_or(left.min(rest), |percent| share(rest, percent));
            left = left.saturating_sub(part);
            taken = taken.saturating_add(part);
            if let Some(parts) = line["discount_amounts"].as_array_mut() {
                parts.push(json!({ "amount": part, "discount": discount["id"] }));
            }
        }
        off = off.saturating_add(taken);
        amounts.push(json!({ "amount": taken, "discount": discount["id"] }));
    }
    let subtotal = invoice["subtotal"].as_i64().unwrap_or_default();
    for field in [
        "amount_due",
        "amount_remaining",
        "total",
        "total_excluding_tax",
    ] {
        invoice[field] = json!(subtotal.saturating_sub(off));
    }
    let ids = discounts.iter().map(|discount| discount["id"].clone());
    invoice["discounts"] = ids.collect();
    invoice["total_discount_amounts"] = Value::Array(amounts);
}

/// A coupon may be for some products only.
fn is_for(coupon: &Value, line: &Value) -> bool {
    let product = &line["pricing"]["price_details"]["product"];
    coupon["applies_to"]["products"]
        .as_array()
        .is_none_or(|products| products.contains(product))
}

/// What earlier discounts left of a line.
fn undiscounted(line: &Value) -> i64 {
    let amount = line["amount"].as_i64().unwrap_or_default();
    line["discount_amounts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|part| part["amount"].as_i64())
        .fold(amount, i64::saturating_sub)
        .max(0)
}

fn share(amount: i64, percent: f64) -> i64 {
    (amount as f64 * percent / 100.0).round() as i64
}

/// What every invoice of the stand-in has alike, because nothing here sets it.
fn unused() -> Value {
    json!({
        "account_country": "DE",
        "account_name": null,
        "account_tax_ids": null,
        "application": null,
        "automatic_tax": {
            "disabled_reason": null,
            "enabled": false,
            "liability": null,
            "provider": null,
            "status": null,
        },
        "automatically_finalizes_at": null,
        "custom_fields": null,
        "default_source": null,
        "default_tax_rates": [],
        "description": null,
        "discounts": [],
        "due_date": null,
        "footer": null,
        "from_invoice": null,
        "hosted_invoice_url": null,
        "invoice_pdf": null,
        "issuer": { "type": "self" },
        "last_finalization_error": null,
        "latest_revision": null,
        "metadata": {},
        "next_payment_attempt": null,
        "on_behalf_of": null,
        "payment_settings": {
            "default_mandate": null,
            "payment_method_options": null,
            "payment_method_types": null,
        },
        "receipt_number": null,
        "rendering": null,
        "shipping_details": null,
        "statement_descriptor": null,
        "test_clock": null,
    })
}

/// The customer as it was when the invoice was made.
fn billed_to(customer: &Value) -> Value {
    json!({
        "customer": customer["id"],
        "customer_account": null,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
    })
}

/// The sums of what nobody has paid yet: no tax and no shipping, and discounts come later.
fn sums(amount: i64) -> Value {
    json!({
        "amount_due": amount,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": amount,
        "amount_shipping": 0,
        "ending_balance": null,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "shipping_cost": null,
        "starting_balance": 0,
        "subtotal": amount,
        "subtotal_excluding_tax": amount,
        "total": amount,
        "total_discount_amounts": [],
        "total_excluding_tax": amount,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An invoice over 1000 of one product and 501 of another.
    fn invoice() -> Value {
        let line = |amount: i64, product: &str| {
            json!({
                "amount": amount,
                "discount_amounts": [],
                "pricing": { "price_details": { "product": product } },
            })
        };
        build(Draft {
            id: "in_1",
            customer: &json!({ "id": "cus_1" }),
            currency: &json!("eur"),
            created: 0,
            period: (0, 0),
            reason: "manual",
            subscription: None,
            lines: vec![line(1_000, "prod_1"), line(501, "prod_2")],
        })
    }

    fn discount_of(id: &str, coupon: Value) -> Value {
        json!({ "id": id, "source": { "coupon": coupon, "type": "coupon" } })
    }

    #[test]
    fn discounts_are_taken_off_one_after_the_other() {
        let mut invoice = invoice();
        let half = json!({ "percent_off": 50.0 });
        let amount = json!({ "amount_off": 600, "currency": "eur" });
        let discounts = [discount_of("di_1", half), discount_of("di_2", amount)];
        discount(&mut invoice, &discounts);
        assert_eq!(
            invoice["total_discount_amounts"],
            json!([
                { "amount": 751, "discount": "di_1" },
                { "amount": 600, "discount": "di_2" },
            ])
        );
        assert_eq!(invoice["discounts"], json!(["di_1", "di_2"]));
        assert_eq!(invoice["subtotal"], 1_501);
        for field in ["amount_due", "amount_remaining", "total"] {
            assert_eq!(invoice[field], 150, "{field}");
        }
    }

    #[test]
    fn a_coupon_takes_nothing_off_what_it_is_not_for() {
        for (coupon, total) in [
            (
                json!({ "percent_off": 10.0, "applies_to": { "products": ["prod_1"] } }),
                1_401,
            ),
            (json!({ "amount_off": 2_000, "currency": "eur" }), 0),
            (json!({ "amount_off": 2_000, "currency": "usd" }), 1_501),
        ] {
            let mut invoice = invoice();
            discount(&mut invoice, &[discount_of("di_1", coupon)]);
            assert_eq!(invoice["total"], total);
        }
    }
}
