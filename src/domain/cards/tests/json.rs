//! The JSON shape of a card in the API.

use serde_json::json;

use super::*;
use crate::domain::price::ListPrice;

#[test]
fn the_api_gets_a_card_as_json() {
    let mut shelf = shelf(Subscription {
        discounts: Some(r#"["di_1"]"#.to_owned()),
        default_payment_method: Some("pm_1".to_owned()),
        ..subscription("past_due")
    });
    let discount = Discount {
        id: "di_1".to_owned(),
        coupon_id: Some("half".to_owned()),
        ends_at: Some(NOW + 90 * 24 * 60 * 60),
        ..Discount::default()
    };
    let coupon = Coupon {
        id: "half".to_owned(),
        percent_off: Some("50".to_owned()),
        duration: Some("repeating".to_owned()),
        ..Coupon::default()
    };
    let method = PaymentMethod {
        id: "pm_1".to_owned(),
        customer_id: Some("cus_1".to_owned()),
        r#type: Some("card".to_owned()),
        brand: Some("visa".to_owned()),
        last4: Some("4242".to_owned()),
        exp_month: Some(4),
        exp_year: Some(2030),
        ..PaymentMethod::default()
    };
    shelf.discounts = [(discount.id.clone(), discount)].into();
    shelf.coupons = [(coupon.id.clone(), coupon)].into();
    shelf.methods = [(method.id.clone(), method)].into();
    shelf.invoices = vec![Invoice {
        id: "in_1".to_owned(),
        customer_id: Some("cus_1".to_owned()),
        subscription_id: Some("sub_1".to_owned()),
        number: Some("NW-0042".to_owned()),
        status: Some("open".to_owned()),
        currency: Some("eur".to_owned()),
        total: Some(1800),
        created: NOW,
        ..Invoice::default()
    }];
    let owed = json!({ "minor": 1800, "currency": "eur" });
    let expected = json!({
        "customer": "cus_1",
        "name": null,
        "email": "ada@example.com",
        "created": 0,
        "status": "payment_failed",
        "subscriptions": [{
            "id": "sub_1",
            "products": ["Team"],
            "has_more_products": false,
            "description": null,
            "status": "payment_failed",
            "cost": {
                "kind": "total",
                "next": owed,
                "then": null,
                "interval": { "unit": "month", "count": 1 },
            },
            "plus_tax": false,
            "discount": {
                "always": [{ "kind": "percent", "percent": "50" }],
                "full": { "minor": 3600, "currency": "eur" },
                "once": [],
                "until": NOW + 90 * 24 * 60 * 60,
            },
            "dates": [],
            "may_change": true,
            "may_cancel": true,
        }],
        "payment_methods": {
            "methods": [{
                "kind": "card",
                "brand": "visa",
                "last4": "4242",
                "expiry": { "month": 4, "year": 2030, "has_expired": false },
            }],
            "by_invoice": false,
        },
        "due": { "invoice": "in_1", "amount": owed, "urgency": "failed" },
        "invoices": {
            "open": [{
                "id": "in_1",
                "number": "NW-0042",
                "created": NOW,
                "status": "open",
                "remaining": owed,
                "is_part_paid": false,
                "paid_in": null,
                "due_at": null,
                "is_overdue": false,
                "total": owed,
                "pdf": null,
            }],
            "more_open": null,
            "last": null,
        },
    });
    let card = shelf.card(&customer(), NOW);
    assert_eq!(serde_json::to_value(card).unwrap(), expected);
}

#[test]
fn the_api_gets_every_kind_of_price_and_status_as_json() {
    let list = |row: Price, billed_in: Option<&str>| {
        let price = ListPrice::of(&row, billed_in, Some(25)).unwrap();
        serde_json::to_value(price).unwrap()
    };
    let monthly = Price {
        currency: Some("eur".to_owned()),
        unit_amount: Some(1200),
        interval: Some("month".to_owned()),
        ..Price::default()
    };
    let packed = Price {
        transform_quantity: Some(r#"{"divide_by":10,"round":"up"}"#.to_owned()),
        ..monthly.clone()
    };
    assert_eq!(
        list(packed, None),
        json!({
            "amount": { "kind": "exact", "minor": 1200, "currency": "eur" },
            "interval": { "unit": "month", "count": 1 },
            "quantity": 25,
            "pack": { "size": 10, "rounds_up": true },
            "metered": false,
        })
    );
    let decimal = Price {
        unit_amount: None,
        unit_amount_decimal: Some("0.25".to_owned()),
        ..monthly.clone()
    };
    let tiered = Price {
        billing_scheme: Some("tiered".to_owned()),
        ..monthly.clone()
    };
    for (row, billed_in, amount) in [
        (
            decimal,
            None,
            json!({ "kind": "decimal", "minor": "0.25", "currency": "eur" }),
        ),
        (tiered, None, json!({ "kind": "tiered" })),
        (
            monthly,
            Some("usd"),
            json!({ "kind": "billed_in", "currency": "usd" }),
        ),
    ] {
        assert_eq!(list(row, billed_in)["amount"], amount);
    }
    for (row, status) in [
        (subscription("active"), "active"),
        (subscription("incomplete"), "incomplete"),
        (subscription("on_holiday"), "on_holiday"),
    ] {
        let card = shelf(row).card(&customer(), NOW);
        let value = serde_json::to_value(card).unwrap();
        assert_eq!(value["subscriptions"][0]["status"], status);
    }
}
