//! From rows to cards: which subscriptions, prices and invoices belong on each, and which of the
//! portal's flows are offered.

mod charge;
mod invoices;
mod methods;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use invoices::Urgency;
use methods::method_in_words;
use words::{
    dates, has_ended, is_attempt, is_by_invoice, is_late, next_charge, overall, state, will_end,
};

pub use words::day;

use crate::{
    model::{CustomerView, Flow, SubscriptionView},
    store::{
        self, Principal, Tx,
        customer::Customer,
        mirror::{
            self, Coupon, Discount, Invoice, PaymentMethod, Price, Product, Subscription,
            SubscriptionItem,
        },
        row::{self, Row},
        shelf,
    },
    text,
};

/// The cards of the principal's customers, the newest first; but before them those whose payment failed or
/// is late, and then those where something else should be done.
pub async fn list(
    tx: &mut Tx,
    principal: &Principal,
    now: i64,
) -> store::Result<Vec<CustomerView>> {
    let (customers, shelf) = Shelf::read(tx, principal, None).await?;
    let mut cards: Vec<_> = customers
        .iter()
        .map(|customer| shelf.ranked(customer, now))
        .collect();
    cards.sort_by_key(|(rank, _)| *rank);
    Ok(cards.into_iter().map(|(_, card)| card).collect())
}

/// The principal's customer of that id, if its card has a button for that flow.
pub async fn offered(
    tx: &mut Tx,
    principal: &Principal,
    id: &str,
    flow: &Flow,
    now: i64,
) -> store::Result<Option<Customer>> {
    let (customers, shelf) = Shelf::read(tx, principal, Some(id)).await?;
    let Some(customer) = customers.into_iter().next() else {
        return Ok(None);
    };
    let (Flow::ChangePlan(wanted) | Flow::Cancel(wanted)) = flow else {
        return Ok(Some(customer));
    };
    let card = shelf.card(&customer, now);
    let subscription = card.subscriptions.iter().find(|it| it.id == *wanted);
    let is_offered = subscription.is_some_and(|subscription| match flow {
        Flow::Cancel(_) => subscription.may_cancel,
        _ => subscription.may_change,
    });
    Ok(is_offered.then_some(customer))
}

/// What has changed of the principal's customer of that id since the Stripe second `since`, in sentences.
pub async fn news(
    tx: &mut Tx,
    principal: &Principal,
    id: &str,
    since: i64,
    now: i64,
) -> store::Result<Option<Vec<String>>> {
    let (customers, shelf) = Shelf::read(tx, principal, Some(id)).await?;
    let Some(customer) = customers.first() else {
        return Ok(None);
    };
    let has_paid = mirror::has_paid_since(tx, &customer.id, since).await?;
    Ok(Some(shelf.news(customer, since, has_paid, now)))
}

/// All rows that the cards need. Of prices, products and coupons tombstones too: what was deleted may be
/// in use.
#[derive(Default)]
struct Shelf {
    subscriptions: Vec<Subscription>,
    items: Vec<SubscriptionItem>,
    prices: BTreeMap<String, Price>,
    products: BTreeMap<String, Product>,
    methods: BTreeMap<String, PaymentMethod>,
    discounts: BTreeMap<String, Discount>,
    /// Those that events of their own told.
    told_discounts: Vec<Discount>,
    /// Payment methods and discounts that are known, though the customer may not see their rows: they
    /// are not theirs any more.
    over: BTreeSet<String>,
    coupons: BTreeMap<String, Coupon>,
    invoices: Vec<Invoice>,
    /// Customers with a payment on its way.
    in_process: BTreeSet<String>,
}

/// In which order cards stand.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Failed,
    Waiting,
    Well,
}

impl Shelf {
    /// The principal's customers, or `only` that one, and what their cards are made of.
    async fn read(
        tx: &mut Tx,
        principal: &Principal,
        only: Option<&str>,
    ) -> store::Result<(Vec<Customer>, Shelf)> {
        let rows = shelf::read(tx, principal, only).await?;
        let methods = by_id(rows.methods);
        let of_methods: BTreeSet<_> = rows
            .customers
            .iter()
            .flat_map(methods_of_customer)
            .chain(rows.subscriptions.iter().flat_map(methods_of_subscription))
            .cloned()
            .collect();
        let lists = rows
            .customers
            .iter()
            .map(|row| &row.discounts)
            .chain(rows.subscriptions.iter().map(|row| &row.discounts))
            .chain(rows.items.iter().map(|item| &item.discounts));
        let of_lists: BTreeSet<_> = lists.flat_map(|list| ids_in(list.as_deref())).collect();
        // Most people have none of what is looked up from here on.
        let listed = find_all(tx, of_lists.iter()).await?;
        let discounts = by_id(rows.discounts.iter().cloned().chain(listed));
        let missing: Vec<_> = of_methods
            .iter()
            .filter(|id| !methods.contains_key(*id))
            .chain(of_lists.iter().filter(|id| !discounts.contains_key(*id)))
            .map(String::as_str)
            .collect();
        let over = mirror::known_of(tx, &missing).await?.into_iter().collect();
        let of_discounts: BTreeSet<_> = discounts
            .values()
            .filter_map(|row: &Discount| row.coupon_id.clone())
            .collect();
        let coupons = by_id(find_all(tx, of_discounts.iter()).await?);
        let in_process = rows.in_process.into_iter().map(|row| row.customer_id);
        let shelf = Shelf {
            in_process: in_process.collect(),
            items: rows.items,
            prices: by_id(rows.prices),
            products: by_id(rows.products),
            methods,
            discounts,
            told_discounts: rows.discounts,
            over,
            coupons,
            invoices: rows.invoices,
            subscriptions: rows.subscriptions,
        };
        Ok((rows.customers, shelf))
    }

    fn card(&self, customer: &Customer, now: i64) -> CustomerView {
        self.ranked(customer, now).1
    }

    fn ranked(&self, customer: &Customer, now: i64) -> (Rank, CustomerView) {
        let shown = self.shown(customer);
        let mut subscriptions: Vec<_> = shown
            .iter()
            .map(|row| self.subscription(customer, row, now))
            .collect();
        subscriptions.sort_by_key(|subscription| !subscription.state.1);
        let is_running = shown.iter().any(|row| !has_ended(row));
        let email = customer.email.as_deref().unwrap_or_default();
        let email: String = email.chars().filter(|it| text::is_seen(*it)).collect();
        let email = email.trim().to_owned();
        let named = [&customer.name, &customer.description]
            .into_iter()
            .flatten()
            .find(|name| text::is_visible(name));
        let due = self.due(customer, now);
        let state = overall(customer, &subscriptions, is_running, due.as_ref());
        let has_failed = due.as_ref().is_some_and(|due| due.urgency != Urgency::Open)
            || customer.delinquent != 0
            || shown.iter().any(|row| is_late(row));
        let rank = match (has_failed, state.1) {
            (true, true) => Rank::Failed,
            (false, true) => Rank::Waiting,
            (_, false) => Rank::Well,
        };
        let card = CustomerView {
            title: named.unwrap_or(&email).clone(),
            created: day(customer.created),
            state,
            payment_method: self.payment_method(customer, &shown, now),
            due: due.map(|due| due.view),
            invoices: self.invoices(customer, now),
            id: customer.id.clone(),
            subscriptions,
            email,
        };
        (rank, card)
    }

    /// Those that run, without attempts to subscribe that nobody went through with; else the newest such
    /// attempt; else the one that ended last.
    fn shown(&self, customer: &Customer) -> Vec<&Subscription> {
        let all: Vec<_> = self
            .subscriptions
            .iter()
            .filter(|row| row.customer_id.as_deref() == Some(&customer.id))
            .collect();
        let running = all.iter().copied().filter(|row| !has_ended(row));
        let (attempts, running): (Vec<_>, Vec<_>) = running.partition(|row| is_attempt(row));
        if !running.is_empty() {
            return running;
        }
        let ended = || {
            let ended = all.iter().rev().copied();
            // An attempt that expired is no subscription that ended.
            let ended = ended.filter(|row| !is_attempt(row));
            ended.max_by_key(|row| row.ended_at.or(row.canceled_at).unwrap_or(row.created))
        };
        attempts
            .into_iter()
            .next()
            .or_else(ended)
            .into_iter()
            .collect()
    }

    fn subscription(&self, customer: &Customer, row: &Subscription, now: i64) -> SubscriptionView {
        let items = self.items_of(row);
        let has_ended = has_ended(row);
        let will_end = will_end(row, &items);
        let next = next_charge(row, &items, will_end, now);
        let charge = charge::of(self, customer, row, &items, next, now);
        let mut dates = dates(row, &items, will_end, now);
        if !has_ended {
            let until = charge
                .until
                .map(|at| ("Discount until".to_owned(), day(at)));
            dates.extend(until);
        }
        SubscriptionView {
            title: self.title(row, &items),
            price: charge.price,
            discount: charge.discount,
            state: state(row, &items, will_end, now),
            dates,
            may_change: !has_ended && will_end.is_none() && items.len() == 1,
            may_cancel: !has_ended && will_end.is_none(),
            id: row.id.clone(),
        }
    }

    fn items_of(&self, row: &Subscription) -> Vec<&SubscriptionItem> {
        self.items
            .iter()
            .filter(|item| item.subscription_id == row.id)
            .collect()
    }

    /// The names of the products, else what the seller wrote for the customer to read. Never a price's
    /// nickname, which Stripe hides from customers
    /// (<https://docs.stripe.com/api/prices/object#price_object-nickname>).
    fn title(&self, row: &Subscription, items: &[&SubscriptionItem]) -> String {
        let name = |item: &&SubscriptionItem| {
            let price = self.price(item);
            let product = price
                .and_then(|price| price.product_id.as_deref())
                .or(item.product_id.as_deref())
                .and_then(|id| self.products.get(id));
            let name = product.and_then(|product| product.name.clone());
            let name = name.or_else(|| price?.name.clone());
            name.filter(|name| text::is_visible(name))
        };
        let names: Vec<_> = items.iter().map(name).collect();
        let is_whole = names.iter().all(Option::is_some) && row.is_cut == 0;
        let mut known: Vec<_> = names.into_iter().flatten().collect();
        known.dedup();
        if known.is_empty() {
            let description = row.description.clone();
            return description
                .filter(|words| text::is_visible(words))
                .unwrap_or_else(|| "Subscription".to_owned());
        }
        let more = if is_whole { "" } else { " and more" };
        format!("{}{more}", known.join(" + "))
    }

    /// What the next invoices are paid with: each subscription's own, else the customer's. `shown` are
    /// the subscriptions on the card.
    fn payment_method(
        &self,
        customer: &Customer,
        shown: &[&Subscription],
        now: i64,
    ) -> Option<String> {
        let running: Vec<_> = shown
            .iter()
            .copied()
            .filter(|row| !has_ended(row))
            .collect();
        let (by_invoice, charged): (Vec<_>, Vec<_>) =
            running.into_iter().partition(|row| is_by_invoice(row));
        if charged.is_empty() && !by_invoice.is_empty() {
            return Some("Pays by invoice".to_owned());
        }
        let own = charged.iter().map(|row| {
            let own = methods_of_subscription(row);
            self.first_attached(customer, own.chain(methods_of_customer(customer)))
        });
        let mut methods: Vec<_> = own.collect();
        if methods.is_empty() {
            methods.push(self.first_attached(customer, methods_of_customer(customer)));
        }
        // Where one is not known, the others are not all.
        let methods: Result<Vec<_>, NotKnown> = methods.into_iter().collect();
        // A card may have been saved more than once.
        let words: BTreeSet<_> = methods
            .ok()?
            .into_iter()
            .flatten()
            .map(|method| method_in_words(method, now))
            .collect();
        let words: Vec<_> = words.into_iter().collect();
        let also = if by_invoice.is_empty() {
            ""
        } else {
            ", and by invoice"
        };
        (!words.is_empty()).then(|| format!("Pays with {}{also}", words.join("; ")))
    }

    /// The first of these that is the customer's: what was detached, or deleted, pays nothing, whatever
    /// still refers to it.
    fn first_attached<'i>(
        &self,
        customer: &Customer,
        ids: impl Iterator<Item = &'i String>,
    ) -> Result<Option<&PaymentMethod>, NotKnown> {
        for id in ids.filter(|id| !self.over.contains(*id)) {
            let method = self.methods.get(id).ok_or(NotKnown)?;
            let is_theirs = method.customer_id.as_ref() == Some(&customer.id);
            if is_theirs && method.deleted_at.is_none() {
                return Ok(Some(method));
            }
        }
        Ok(None)
    }

    fn news(&self, customer: &Customer, since: i64, has_paid: bool, now: i64) -> Vec<String> {
        let card = self.card(customer, now);
        let mut news = Vec::new();
        let changed = self.subscriptions.iter().filter(|row| {
            row.customer_id.as_ref() == Some(&customer.id)
                && row.stripe_at > since
                && !is_attempt(row)
        });
        for row in changed {
            let view = self.subscription(customer, row, now);
            let dates = view
                .dates
                .iter()
                .map(|(words, day)| format!("{words} {}", day.2));
            let parts: Vec<_> = std::iter::once(view.state.0).chain(dates).collect();
            news.push(format!("{}: {}.", view.title, parts.join(". ")));
        }
        let is_newer = |row: &PaymentMethod| row.stripe_at > since;
        let is_other = customer.stripe_at > since || self.methods.values().any(is_newer);
        news.extend(
            card.payment_method
                .filter(|_| is_other)
                .map(|words| words + "."),
        );
        if has_paid {
            news.push("Your payment has arrived.".to_owned());
        }
        news.extend(card.due.map(|due| match due.button.strip_prefix("Pay ") {
            Some(amount) => format!("{amount} is still to be paid."),
            None => "An invoice is still to be paid.".to_owned(),
        }));
        news
    }
}

/// Nothing is known of a payment method that should be looked at.
struct NotKnown;

/// In Stripe's order of precedence
/// (<https://docs.stripe.com/api/subscriptions/object#subscription_object-default_payment_method>).
fn methods_of_subscription(row: &Subscription) -> impl Iterator<Item = &String> {
    row.default_payment_method.iter().chain(&row.default_source)
}

fn methods_of_customer(row: &Customer) -> impl Iterator<Item = &String> {
    row.default_payment_method.iter().chain(&row.default_source)
}

/// The ids of a JSON list.
fn ids_in(list: Option<&str>) -> Vec<String> {
    list.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn by_id<R: Row>(rows: impl IntoIterator<Item = R>) -> BTreeMap<String, R> {
    rows.into_iter()
        .map(|row| (row.id().to_owned(), row))
        .collect()
}

/// The rows of these ids, tombstones or not.
async fn find_all<'i, R: Row>(
    tx: &mut Tx,
    ids: impl Iterator<Item = &'i String>,
) -> store::Result<Vec<R>> {
    let ids: Vec<_> = ids.map(String::as_str).collect();
    row::find_all::<R>(tx, &ids).await
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
        let shown = |shelf: &Shelf| shelf.card(&customer(), NOW).subscriptions.remove(0);
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
        let card = shelf(row).card(&customer(), NOW);
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
            let shelf = Shelf {
                subscriptions,
                methods: known.map(|row| (row.id.clone(), row)).into(),
                ..Shelf::default()
            };
            let customer = Customer {
                default_payment_method: default.map(str::to_owned),
                ..customer()
            };
            let shown = shelf.shown(&customer);
            shelf.payment_method(&customer, &shown, NOW)
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
            Shelf::default().card(&row, NOW).title
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
            shelf(row).card(&customer, NOW).state.0
        };
        assert_eq!(overall(subscription("active"), 0), "Up to date");
        assert_eq!(overall(subscription("active"), 1), "Payment overdue");
        assert_eq!(overall(subscription("past_due"), 1), "Payment failed");
        assert_eq!(overall(subscription("canceled"), 0), "No plan");
        assert_eq!(Shelf::default().card(&customer(), NOW).state.0, "No plan");
    }
}
