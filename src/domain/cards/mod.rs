//! From rows to cards: which subscriptions, prices and invoice belong on each, and which of the
//! portal's flows are offered.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use super::money;
use words::{dates, has_ended, invoice_in_words, method_in_words, overall, state, will_end};

pub use words::day;

use crate::{
    model::{CustomerView, Flow, SubscriptionView},
    store::{
        self, Tx,
        customer::Customer,
        mirror::{self, Invoice, PaymentMethod, Price, Product, Subscription, SubscriptionItem},
        row::Row,
    },
};

/// The cards of these customers, in their order.
pub async fn of(
    tx: &mut Tx,
    customers: Vec<Customer>,
    now: i64,
) -> store::Result<Vec<CustomerView>> {
    let ids: Vec<_> = customers.iter().map(|row| row.id.as_str()).collect();
    let shelf = Shelf::read(tx, &ids, &customers).await?;
    Ok(customers
        .iter()
        .map(|customer| shelf.card(customer, now))
        .collect())
}

/// Whether the card of this customer has a button for that flow.
pub async fn offers(
    tx: &mut Tx,
    customer: &Customer,
    flow: &Flow,
    now: i64,
) -> store::Result<bool> {
    let (Flow::ChangePlan(wanted) | Flow::Cancel(wanted)) = flow else {
        return Ok(true);
    };
    let cards = of(tx, vec![customer.clone()], now).await?;
    let mut subscriptions = cards.iter().flat_map(|card| &card.subscriptions);
    Ok(subscriptions
        .find(|subscription| subscription.id == *wanted)
        .is_some_and(|subscription| match flow {
            Flow::Cancel(_) => subscription.may_cancel,
            _ => subscription.may_change,
        }))
}

/// All rows that the cards need.
#[derive(Default)]
struct Shelf {
    subscriptions: Vec<Subscription>,
    items: Vec<SubscriptionItem>,
    prices: BTreeMap<String, Price>,
    products: BTreeMap<String, Product>,
    methods: BTreeMap<String, PaymentMethod>,
    invoices: Vec<Invoice>,
}

impl Shelf {
    async fn read(tx: &mut Tx, ids: &[&str], customers: &[Customer]) -> store::Result<Shelf> {
        let subscriptions: Vec<Subscription> = mirror::of_customers(tx, ids).await?;
        let of: Vec<_> = subscriptions.iter().map(|row| row.id.as_str()).collect();
        let items = mirror::items_of(tx, &of).await?;
        let prices: BTreeMap<String, Price> =
            live(tx, items.iter().filter_map(|item| item.price_id.as_deref())).await?;
        let named = items.iter().filter_map(|item| item.product_id.as_deref());
        let of_prices = prices
            .values()
            .filter_map(|price| price.product_id.as_deref());
        let products = live(tx, named.chain(of_prices)).await?;
        let default = customers
            .iter()
            .filter_map(|row| row.default_payment_method.as_deref());
        let own = subscriptions
            .iter()
            .filter_map(|row| row.default_payment_method.as_deref());
        let methods = live(tx, default.chain(own)).await?;
        let invoices = mirror::last_invoices(tx, ids).await?;
        Ok(Shelf {
            items,
            prices,
            products,
            methods,
            invoices,
            subscriptions,
        })
    }

    fn card(&self, customer: &Customer, now: i64) -> CustomerView {
        let subscriptions = self.shown(customer, now);
        let invoice = self
            .invoices
            .iter()
            .find(|row| row.customer_id.as_deref() == Some(&customer.id));
        let email = customer.email.clone().unwrap_or_default();
        let named = [&customer.name, &customer.description]
            .into_iter()
            .flatten()
            .find(|text| !text.trim().is_empty());
        CustomerView {
            title: named.unwrap_or(&email).clone(),
            created: day(customer.created),
            state: overall(customer, &subscriptions),
            payment_method: self.payment_method(customer),
            invoice: invoice.map(invoice_in_words),
            id: customer.id.clone(),
            subscriptions,
            email,
        }
    }

    /// Those that run; else the last that has ended.
    fn shown(&self, customer: &Customer, now: i64) -> Vec<SubscriptionView> {
        let all: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|row| row.customer_id.as_deref() == Some(&customer.id))
            .collect();
        let running: Vec<_> = all.iter().filter(|row| !has_ended(row)).collect();
        let shown = if running.is_empty() {
            all.iter().take(1).collect()
        } else {
            running
        };
        shown
            .into_iter()
            .map(|row| self.subscription(row, now))
            .collect()
    }

    fn subscription(&self, row: &Subscription, now: i64) -> SubscriptionView {
        let items: Vec<_> = self
            .items
            .iter()
            .filter(|item| item.subscription_id == row.id)
            .collect();
        let has_ended = has_ended(row);
        let will_end = will_end(row, &items);
        let prices = items.iter().filter_map(|item| {
            let price = self.prices.get(item.price_id.as_deref()?)?;
            Some(money::price(price, row.currency.as_deref(), item.quantity))
        });
        let prices: Vec<_> = prices.filter(|text| !text.is_empty()).collect();
        SubscriptionView {
            title: self.title(row, &items),
            price: prices.join(" + "),
            state: state(row, will_end, now),
            dates: dates(row, &items, will_end, now),
            may_change: !has_ended && will_end.is_none() && items.len() == 1,
            may_cancel: !has_ended && will_end.is_none(),
            id: row.id.clone(),
        }
    }

    fn title(&self, row: &Subscription, items: &[&SubscriptionItem]) -> String {
        let names = items.iter().filter_map(|item| {
            let price = self
                .prices
                .get(item.price_id.as_deref().unwrap_or_default());
            let product = price
                .and_then(|price| price.product_id.as_deref())
                .or(item.product_id.as_deref())
                .and_then(|id| self.products.get(id));
            product
                .and_then(|product| product.name.clone())
                .or_else(|| price.and_then(|price| price.nickname.clone()))
        });
        let mut names: Vec<_> = names.collect();
        names.dedup();
        if names.is_empty() {
            names.extend(row.description.clone());
        }
        if names.is_empty() {
            "Subscription".to_owned()
        } else {
            names.join(" + ")
        }
    }

    /// What the next invoices are paid with: each subscription's own, else the customer's.
    fn payment_method(&self, customer: &Customer) -> Option<String> {
        let default = customer.default_payment_method.as_deref();
        let running = self
            .subscriptions
            .iter()
            .filter(|row| row.customer_id.as_deref() == Some(&customer.id) && !has_ended(row));
        let mut ids: Vec<_> = running
            .filter_map(|row| row.default_payment_method.as_deref().or(default))
            .collect();
        if ids.is_empty() {
            ids.extend(default);
        }
        ids.sort_unstable();
        ids.dedup();
        // Where one is not known, the others are not all.
        let methods: Option<Vec<_>> = ids.iter().map(|id| self.methods.get(*id)).collect();
        // A card may have been saved more than once.
        let words: BTreeSet<_> = methods?.into_iter().map(method_in_words).collect();
        let words: Vec<_> = words.into_iter().collect();
        (!words.is_empty()).then(|| words.join("; "))
    }
}

async fn live<R: Row>(
    tx: &mut Tx,
    ids: impl Iterator<Item = &str>,
) -> store::Result<BTreeMap<String, R>> {
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(mirror::live::<R>(tx, &ids)
        .await?
        .into_iter()
        .map(|row| (row.id().to_owned(), row))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn shelf(row: Subscription) -> Shelf {
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
        Shelf {
            subscriptions: vec![row],
            items: vec![item("price_1")],
            prices: [(price.id.clone(), price)].into(),
            products: [(product.id.clone(), product)].into(),
            ..Shelf::default()
        }
    }

    fn customer() -> Customer {
        Customer {
            id: "cus_1".to_owned(),
            email: Some("ada@example.com".to_owned()),
            ..Customer::default()
        }
    }

    /// State, dates, and whether change and cancel are offered.
    fn said(row: Subscription) -> (String, String, bool, bool) {
        let shelf = shelf(row);
        let card = shelf.card(&customer(), NOW);
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
        let shown = |shelf: &Shelf| shelf.card(&customer(), NOW).subscriptions.remove(0);
        assert_eq!(shown(&shelf).title, "Team");
        assert_eq!(shown(&shelf).price, "€12.00 / month × 3");
        shelf.items.push(item("price_2"));
        assert!(!shown(&shelf).may_change, "the portal takes one item only");
        shelf.products.clear();
        assert_eq!(shown(&shelf).title, "Subscription");
    }

    #[test]
    fn what_is_billed_in_another_currency_has_no_amount_of_ours() {
        let row = Subscription {
            currency: Some("usd".to_owned()),
            ..subscription("active")
        };
        let card = shelf(row).card(&customer(), NOW);
        assert_eq!(card.subscriptions[0].price, "Billed in USD / month × 3");
    }

    #[test]
    fn everything_that_is_paid_with_is_named_or_nothing() {
        let method = |id: &str, last4: &str| PaymentMethod {
            id: id.to_owned(),
            brand: Some("visa".to_owned()),
            last4: Some(last4.to_owned()),
            ..PaymentMethod::default()
        };
        let paying = |own: Option<&str>, status: &str| Subscription {
            default_payment_method: own.map(str::to_owned),
            ..subscription(status)
        };
        let said = |default: Option<&str>, subscriptions: Vec<Subscription>| {
            let known = [
                method("pm_1", "1111"),
                method("pm_2", "2222"),
                method("pm_3", "1111"),
            ];
            let shelf = Shelf {
                subscriptions,
                methods: known.map(|row| (row.id.clone(), row)).into(),
                ..Shelf::default()
            };
            let customer = Customer {
                default_payment_method: default.map(str::to_owned),
                ..customer()
            };
            shelf.payment_method(&customer)
        };
        let one = Some("Visa ending in 1111".to_owned());
        let both = Some("Visa ending in 1111; Visa ending in 2222".to_owned());
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
        let twice = vec![default, own, paying(Some("pm_3"), "active")];
        assert_eq!(said(Some("pm_1"), twice), both);
    }

    #[test]
    fn what_runs_is_shown_and_else_the_last_that_ended() {
        let ended = Subscription {
            id: "sub_0".to_owned(),
            ..subscription("canceled")
        };
        let mut shelf = shelf(subscription("active"));
        shelf.subscriptions.insert(0, ended);
        let ids = |shelf: &Shelf| {
            let card = shelf.card(&customer(), NOW);
            card.subscriptions
                .into_iter()
                .map(|shown| shown.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&shelf), ["sub_1"]);
        shelf.subscriptions.pop();
        assert_eq!(ids(&shelf), ["sub_0"]);
    }

    #[test]
    fn a_card_is_titled_by_name_else_description_else_address() {
        let title = |name: Option<&str>, description: Option<&str>| {
            let row = Customer {
                name: name.map(str::to_owned),
                description: description.map(str::to_owned),
                ..customer()
            };
            Shelf::default().card(&row, NOW).title
        };
        assert_eq!(title(Some("Ada"), Some("x")), "Ada");
        assert_eq!(title(Some(" "), Some("x")), "x");
        assert_eq!(title(None, None), "ada@example.com");
    }

    #[test]
    fn the_worst_subscription_is_the_state_of_the_record() {
        let overall = |row: Subscription, delinquent| {
            let customer = Customer {
                delinquent,
                ..customer()
            };
            shelf(row).card(&customer, NOW).state.0
        };
        assert_eq!(overall(subscription("active"), 0), "Up to date");
        assert_eq!(overall(subscription("active"), 1), "Payment overdue");
        assert_eq!(overall(subscription("past_due"), 1), "Payment failed");
    }
}
