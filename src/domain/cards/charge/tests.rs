use time::OffsetDateTime;

use super::{discounts::end_of, *};
use crate::{
    present::price,
    store::mirror::{Coupon, Discount},
};

const NOW: i64 = 1_800_000_000;
const MONTH: i64 = 30 * 24 * 60 * 60;

fn coupon(id: &str, percent: &str, duration: &str) -> Coupon {
    Coupon {
        id: id.to_owned(),
        percent_off: Some(percent.to_owned()),
        duration: Some(duration.to_owned()),
        ..Coupon::default()
    }
}

/// A charge as text.
#[derive(Debug, PartialEq)]
struct Said {
    price: String,
    discount: Option<String>,
    until: Option<i64>,
}

impl From<Charge> for Said {
    fn from(charge: Charge) -> Said {
        let discount = charge.discount.as_ref();
        Said {
            price: price::cost(&charge.cost, charge.plus_tax),
            discount: discount.map(price::discount),
            until: discount.and_then(|discount| discount.until),
        }
    }
}

/// A subscription to one price of €40.00, with discounts of these coupons.
fn charged(coupons: &[(Coupon, Option<i64>)], quantity: i64) -> Said {
    let shelf = shelf(coupons);
    let item = SubscriptionItem {
        price_id: Some("price_1".to_owned()),
        quantity: Some(quantity),
        ..SubscriptionItem::default()
    };
    let row = Subscription {
        discounts: Some(list_of(coupons)),
        ..Subscription::default()
    };
    let next = Some(NOW + MONTH);
    of(&shelf, &Customer::default(), &row, &[&item], next, NOW).into()
}

fn list_of(coupons: &[(Coupon, Option<i64>)]) -> String {
    let ids: Vec<_> = coupons.iter().map(|(coupon, _)| &coupon.id).collect();
    serde_json::to_string(&ids).unwrap()
}

fn shelf(coupons: &[(Coupon, Option<i64>)]) -> CardRows {
    let price = |id: &str, amount| Price {
        id: id.to_owned(),
        product_id: Some(format!("prod_of_{id}")),
        currency: Some("eur".to_owned()),
        unit_amount: Some(amount),
        interval: Some("month".to_owned()),
        ..Price::default()
    };
    let discounts = coupons.iter().map(|(coupon, ends_at)| Discount {
        id: coupon.id.clone(),
        coupon_id: Some(coupon.id.clone()),
        ends_at: *ends_at,
        ..Discount::default()
    });
    let coupons = coupons.iter().map(|(coupon, _)| coupon.clone());
    CardRows {
        prices: [price("price_1", 4000), price("price_2", 1000)]
            .map(|row| (row.id.clone(), row))
            .into(),
        discounts: discounts.map(|row| (row.id.clone(), row)).collect(),
        coupons: coupons.map(|row| (row.id.clone(), row)).collect(),
        ..CardRows::default()
    }
}

#[test]
fn what_will_be_charged_is_said() {
    let five_euro = || Coupon {
        percent_off: None,
        amount_off: Some(500),
        currency: Some("eur".to_owned()),
        ..coupon("five", "", "forever")
    };
    let in_dollars = Coupon {
        currency: Some("usd".to_owned()),
        ..five_euro()
    };
    let in_both = Coupon {
        currency_options: Some(r#"{"eur":{"amount_off":700}}"#.to_owned()),
        ..in_dollars.clone()
    };
    let elsewhere = Coupon {
        applies_to: Some(r#"["prod_other"]"#.to_owned()),
        ..coupon("half", "50", "forever")
    };
    let half = |duration: &str| coupon("half", "50", duration);
    let later = Some(NOW + 2 * MONTH);
    for (coupons, quantity, price, discount, until) in [
        (vec![], 1, "€40.00 / month", None, None),
        (
            vec![(half("forever"), None)],
            1,
            "€20.00 / month",
            Some("Discount: 50% off €40.00"),
            None,
        ),
        (
            vec![(half("forever"), None)],
            3,
            "€60.00 / month",
            Some("Discount: 50% off €120.00"),
            None,
        ),
        (
            vec![(half("repeating"), later)],
            1,
            "€20.00 / month",
            Some("Discount: 50% off €40.00"),
            later,
        ),
        // It ends with the period that is already paid.
        (
            vec![(half("repeating"), Some(NOW + MONTH))],
            1,
            "€40.00 / month",
            None,
            None,
        ),
        (
            vec![(half("once"), None)],
            1,
            "€20.00, then €40.00 / month",
            Some("Discount: 50% off the next payment"),
            None,
        ),
        (
            vec![
                (coupon("tenth", "10", "forever"), None),
                (half("once"), None),
            ],
            1,
            "€18.00, then €36.00 / month",
            Some("Discount: 10% off €40.00, and 50% off the next payment"),
            None,
        ),
        (
            vec![(half("forever"), None), (five_euro(), None)],
            1,
            "€15.00 / month",
            Some("Discount: 50% and €5.00 off €40.00"),
            None,
        ),
        (
            vec![(coupon("odd", "12.5", "forever"), None)],
            1,
            "€35.00 / month",
            Some("Discount: 12.5% off €40.00"),
            None,
        ),
        (
            vec![(coupon("all", "100", "forever"), None), (five_euro(), None)],
            1,
            "€0.00 / month",
            Some("Discount: 100% and €5.00 off €40.00"),
            None,
        ),
        (
            vec![(in_both, None)],
            1,
            "€33.00 / month",
            Some("Discount: €7.00 off €40.00"),
            None,
        ),
        (
            vec![(in_dollars, None)],
            1,
            "€40.00 / month before discount",
            Some("A discount applies"),
            None,
        ),
        (vec![(elsewhere, None)], 1, "€40.00 / month", None, None),
    ] {
        let expected = Said {
            price: price.to_owned(),
            discount: discount.map(str::to_owned),
            until,
        };
        assert_eq!(charged(&coupons, quantity), expected);
    }
}

#[test]
fn a_discount_for_some_months_ends_with_the_last() {
    let coupon = |months| Coupon {
        duration_in_months: Some(months),
        ..coupon("x", "50", "repeating")
    };
    let at = |text: &str| {
        let format = time::format_description::well_known::Rfc3339;
        OffsetDateTime::parse(text, &format)
            .unwrap()
            .unix_timestamp()
    };
    for (start, months, end) in [
        ("2026-11-30T10:00:00Z", 3, "2027-02-28T10:00:00Z"),
        ("2026-01-15T10:00:00Z", 12, "2027-01-15T10:00:00Z"),
        ("2026-12-01T00:00:00Z", 1, "2027-01-01T00:00:00Z"),
    ] {
        assert_eq!(end_of(at(start), &coupon(months)), Some(at(end)), "{start}");
    }
    assert_eq!(end_of(i64::MAX, &coupon(1)), None);
    assert_eq!(end_of(0, &coupon(i64::MAX / 2)), None);
}

#[test]
fn what_cannot_be_known_is_not_said() {
    let coupons = [(coupon("half", "50", "forever"), None)];
    let shelf = shelf(&coupons);
    let item = |price: &str, discounts: Option<&str>| SubscriptionItem {
        price_id: Some(price.to_owned()),
        quantity: Some(1),
        discounts: discounts.map(str::to_owned),
        ..SubscriptionItem::default()
    };
    let said = |customers: Option<&str>, own: Option<&str>, items: &[SubscriptionItem]| {
        let customer = Customer {
            discounts: customers.map(str::to_owned),
            ..Customer::default()
        };
        let row = Subscription {
            discounts: own.map(str::to_owned),
            ..Subscription::default()
        };
        let items: Vec<_> = items.iter().collect();
        let charge = Said::from(of(&shelf, &customer, &row, &items, None, NOW));
        (charge.price, charge.discount.unwrap_or_default())
    };
    let words = |price: &str, discount: &str| (price.to_owned(), discount.to_owned());
    let half = Some(r#"["half"]"#);
    let (one, both) = (
        [item("price_1", None)],
        [item("price_1", None), item("price_2", None)],
    );
    assert_eq!(
        said(None, Some(r#"["di_unknown"]"#), &one),
        words("€40.00 / month before discount", "A discount applies")
    );
    // The coupon's restrictions are not known, and there are two items.
    assert_eq!(
        said(None, half, &both),
        words(
            "€40.00 / month + €10.00 / month before discount",
            "A discount applies"
        )
    );
    let of_customer = said(half, None, &one).0;
    assert_eq!(of_customer, "€40.00 / month before discount");
    assert_eq!(
        said(None, None, &[item("price_1", half), item("price_2", None)]),
        words("€30.00 / month", "Discount: 50% off €40.00")
    );
    assert_eq!(
        said(None, None, &[item("price_1", None), item("price_3", None)]).0,
        ""
    );
    let none_of_it = SubscriptionItem {
        quantity: Some(0),
        ..item("price_2", None)
    };
    assert_eq!(
        said(None, None, &[item("price_1", None), none_of_it]).0,
        "€40.00 / month"
    );
}
