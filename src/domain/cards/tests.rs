use super::*;
use crate::{model::CustomerView, present};

mod json;

const NOW: i64 = 1_804_032_000;
const LATER: i64 = NOW + 30 * 24 * 60 * 60;

fn subscription(status: &str) -> Subscription {
    Subscription {
        id: "sub_1".to_owned(),
        customer_id: Some("cus_1".to_owned()),
        status: Some(status.to_owned()),
        ..Subscription::default()
    }
}

fn item(price: &str) -> SubscriptionItem {
    SubscriptionItem {
        subscription_id: "sub_1".to_owned(),
        price_id: Some(price.to_owned()),
        quantity: Some(3),
        current_period_end: Some(LATER),
        ..SubscriptionItem::default()
    }
}

fn shelf(row: Subscription) -> CardRows {
    let price = Price {
        id: "price_1".to_owned(),
        product_id: Some("prod_1".to_owned()),
        currency: Some("eur".to_owned()),
        unit_amount: Some(1200),
        interval: Some("month".to_owned()),
        ..Price::default()
    };
    let product = Product {
        id: "prod_1".to_owned(),
        name: Some("Team".to_owned()),
        ..Product::default()
    };
    CardRows {
        subscriptions: vec![row],
        items: vec![item("price_1")],
        prices: [(price.id.clone(), price)].into(),
        products: [(product.id.clone(), product)].into(),
        ..CardRows::default()
    }
}

fn customer() -> Customer {
    Customer {
        id: "cus_1".to_owned(),
        email: Some("ada@example.com".to_owned()),
        ..Customer::default()
    }
}

/// The card as text.
fn view(shelf: &CardRows, customer: &Customer) -> CustomerView {
    present::customer(shelf.card(customer, NOW))
}

/// State, dates, and whether change and cancel are offered.
fn said(row: Subscription) -> (String, String, bool, bool) {
    let shelf = shelf(row);
    let card = view(&shelf, &customer());
    let shown = &card.subscriptions[0];
    let dates = shown
        .dates
        .iter()
        .map(|(words, day)| format!("{words} {}", day.2));
    (
        shown.state.0.clone(),
        dates.collect::<Vec<_>>().join("; "),
        shown.may_change,
        shown.may_cancel,
    )
}

#[test]
fn states_are_words_with_their_dates() {
    let ends = |row: Subscription| Subscription {
        cancel_at: Some(LATER),
        ..row
    };
    for (row, words, dates, is_offered) in [
        (
            subscription("active"),
            "Active",
            "Renews on 2 April 2027",
            true,
        ),
        (
            ends(subscription("active")),
            "Ending",
            "Ends on 2 April 2027",
            false,
        ),
        (
            Subscription {
                cancel_at: Some(LATER + 1),
                ..subscription("active")
            },
            "Active",
            "Renews on 2 April 2027; Ends on 2 April 2027",
            false,
        ),
        (
            Subscription {
                collection_method: Some("send_invoice".to_owned()),
                ..subscription("past_due")
            },
            "Invoice overdue",
            "",
            true,
        ),
        (
            Subscription {
                cancel_at_period_end: 1,
                ..subscription("active")
            },
            "Ending",
            "Ends on 2 April 2027",
            false,
        ),
        (
            Subscription {
                trial_end: Some(LATER),
                ..subscription("trialing")
            },
            "Trial",
            "Trial until 2 April 2027",
            true,
        ),
        (subscription("past_due"), "Payment failed", "", true),
        (subscription("incomplete"), "Waiting for payment", "", true),
        (
            Subscription {
                pause_behavior: Some("void".to_owned()),
                pause_resumes_at: Some(LATER),
                ..subscription("active")
            },
            "Paused",
            "Resumes on 2 April 2027",
            true,
        ),
        (
            Subscription {
                ended_at: Some(NOW),
                ..subscription("canceled")
            },
            "Ended",
            "Ended on 3 March 2027",
            false,
        ),
        (subscription("on_holiday"), "on holiday", "", true),
    ] {
        let said = said(row.clone());
        let expected = (words.to_owned(), dates.to_owned(), is_offered, is_offered);
        assert_eq!(said, expected, "{row:?}");
    }
}

#[test]
fn a_subscription_says_what_it_is_and_costs() {
    let mut shelf = shelf(subscription("active"));
    let shown = |shelf: &CardRows| view(shelf, &customer()).subscriptions.remove(0);
    assert_eq!(shown(&shelf).title, "Team");
    assert_eq!(shown(&shelf).price, "€12.00 / month × 3");
    shelf.items.push(item("price_2"));
    assert!(!shown(&shelf).may_change, "the portal takes one item only");
    assert_eq!(shown(&shelf).price, "", "a part is not the whole");
    assert_eq!(shown(&shelf).title, "Team and more");
    shelf.products.clear();
    assert_eq!(shown(&shelf).title, "Subscription");
}

#[test]
fn what_is_billed_in_another_currency_has_no_amount_of_ours() {
    let row = Subscription {
        currency: Some("usd".to_owned()),
        ..subscription("active")
    };
    let card = view(&shelf(row), &customer());
    assert_eq!(card.subscriptions[0].price, "Billed in USD / month × 3");
}

#[test]
fn everything_that_is_paid_with_is_named_or_nothing() {
    let method = |id: &str, last4: &str| PaymentMethod {
        id: id.to_owned(),
        customer_id: Some("cus_1".to_owned()),
        brand: Some("visa".to_owned()),
        last4: Some(last4.to_owned()),
        ..PaymentMethod::default()
    };
    let paying = |own: Option<&str>, status: &str| Subscription {
        default_payment_method: own.map(str::to_owned),
        ..subscription(status)
    };
    let said = |default: Option<&str>, subscriptions: Vec<Subscription>| {
        let detached = PaymentMethod {
            customer_id: None,
            ..method("pm_detached", "0000")
        };
        let deleted = Row::tombstone("card_deleted", 0, 1);
        let known = [
            method("pm_1", "1111"),
            method("pm_2", "2222"),
            method("pm_3", "1111"),
            detached,
            deleted,
        ];
        let shelf = CardRows {
            subscriptions,
            methods: known.map(|row| (row.id.clone(), row)).into(),
            ..CardRows::default()
        };
        let customer = Customer {
            default_payment_method: default.map(str::to_owned),
            ..customer()
        };
        view(&shelf, &customer).payment_method
    };
    let one = Some("Pays with Visa ending in 1111".to_owned());
    let both = Some("Pays with Visa ending in 1111; Visa ending in 2222".to_owned());
    let (own, ended) = (
        paying(Some("pm_2"), "active"),
        paying(Some("pm_2"), "canceled"),
    );
    let default = paying(None, "active");
    assert_eq!(said(Some("pm_1"), vec![]), one);
    assert_eq!(said(Some("pm_1"), vec![ended, default.clone()]), one);
    assert_eq!(said(Some("pm_1"), vec![own.clone(), default.clone()]), both);
    assert_eq!(
        said(Some("pm_unknown"), vec![own.clone(), default.clone()]),
        None
    );
    assert_eq!(said(None, vec![default.clone()]), None);
    let twice = vec![default.clone(), own.clone(), paying(Some("pm_3"), "active")];
    assert_eq!(said(Some("pm_1"), twice), both);
    for gone in ["pm_detached", "card_deleted"] {
        assert_eq!(said(Some("pm_1"), vec![paying(Some(gone), "active")]), one);
        assert_eq!(said(Some(gone), vec![default.clone()]), None);
        let beside = vec![paying(Some(gone), "active"), paying(Some("pm_1"), "active")];
        assert_eq!(
            said(None, beside),
            one,
            "it does not hide the one that pays"
        );
    }
    let by_invoice = Subscription {
        collection_method: Some("send_invoice".to_owned()),
        ..default.clone()
    };
    let sent = Some("Pays by invoice".to_owned());
    assert_eq!(said(Some("pm_1"), vec![by_invoice.clone()]), sent);
    let mixed = said(Some("pm_1"), vec![by_invoice, default]).unwrap();
    assert_eq!(mixed, "Pays with Visa ending in 1111, and by invoice");
}

#[test]
fn what_runs_is_shown_and_else_the_last_that_ended() {
    let ended = Subscription {
        id: "sub_0".to_owned(),
        ..subscription("canceled")
    };
    let mut shelf = shelf(subscription("active"));
    shelf.subscriptions.insert(0, ended);
    let ids = |shelf: &CardRows| {
        let card = shelf.card(&customer(), NOW);
        card.subscriptions
            .into_iter()
            .map(|shown| shown.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&shelf), ["sub_1"]);
    shelf.subscriptions.pop();
    assert_eq!(ids(&shelf), ["sub_0"]);
    let other = |id: &str, status: &str, ended_at: Option<i64>| Subscription {
        id: id.to_owned(),
        ended_at,
        ..subscription(status)
    };
    shelf.subscriptions = vec![
        other("sub_expired", "incomplete_expired", Some(NOW)),
        other("sub_first", "canceled", Some(NOW - 20)),
        other("sub_last", "canceled", Some(NOW - 10)),
    ];
    assert_eq!(ids(&shelf), ["sub_last"]);
    shelf
        .subscriptions
        .push(other("sub_try", "incomplete", None));
    assert_eq!(ids(&shelf), ["sub_try"], "it waits for somebody");
    shelf.subscriptions.push(other("sub_runs", "active", None));
    assert_eq!(ids(&shelf), ["sub_runs"]);
}

#[test]
fn a_card_is_titled_by_name_else_description_else_address() {
    let title = |name: Option<&str>, description: Option<&str>| {
        let row = Customer {
            name: name.map(str::to_owned),
            description: description.map(str::to_owned),
            ..customer()
        };
        view(&CardRows::default(), &row).title
    };
    assert_eq!(title(Some("Ada"), Some("x")), "Ada");
    assert_eq!(title(Some(" "), Some("x")), "x");
    assert_eq!(title(Some("\u{200b}\u{ad}"), Some("x")), "x");
    assert_eq!(title(None, None), "ada@example.com");
}

#[test]
fn the_worst_subscription_is_the_state_of_the_record() {
    let overall = |row: Subscription, delinquent| {
        let customer = Customer {
            delinquent,
            ..customer()
        };
        view(&shelf(row), &customer).state.0
    };
    assert_eq!(overall(subscription("active"), 0), "Up to date");
    assert_eq!(overall(subscription("active"), 1), "Payment overdue");
    assert_eq!(overall(subscription("past_due"), 1), "Payment failed");
    assert_eq!(overall(subscription("canceled"), 0), "No plan");
    assert_eq!(view(&CardRows::default(), &customer()).state.0, "No plan");
}
