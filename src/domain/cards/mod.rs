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
mod tests;
