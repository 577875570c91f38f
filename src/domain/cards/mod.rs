//! Builds cards from rows: which subscriptions, prices and invoices belong on each card, and which of the portal's flows are
//! offered.

pub mod card;
mod charge;
mod invoices;
mod methods;
mod status;

use std::collections::{BTreeMap, BTreeSet};

use card::{Card, News, SubscriptionCard, Urgency};
use methods::{methods_of_customer, methods_of_subscription};
use status::{dates, has_ended, is_attempt, is_late, next_charge, overall, status, will_end};

pub use methods::api_word;

use crate::{
    model::Flow,
    store::{
        self, Principal, Tx, card_rows,
        customer::Customer,
        mirror::{
            self, Coupon, Discount, Invoice, PaymentMethod, Price, Product, Subscription,
            SubscriptionItem,
        },
        row::{self, Row},
    },
    text,
};

/// The cards of the principal's customers. Failed or late payments come first, then other cards that need attention, then the
/// rest; newest first in each group.
pub async fn list(tx: &mut Tx, principal: &Principal, now: i64) -> store::Result<Vec<Card>> {
    let (customers, shelf) = CardRows::read(tx, principal, None).await?;
    let mut cards: Vec<_> = customers
        .iter()
        .map(|customer| shelf.ranked(customer, now))
        .collect();
    cards.sort_by_key(|(rank, _)| *rank);
    Ok(cards.into_iter().map(|(_, card)| card).collect())
}

/// The principal's customer with that id, if its card offers that flow. This is the authorisation check of the portal flows.
pub async fn offered(
    tx: &mut Tx,
    principal: &Principal,
    id: &str,
    flow: &Flow,
    now: i64,
) -> store::Result<Option<Customer>> {
    let (customers, shelf) = CardRows::read(tx, principal, Some(id)).await?;
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

/// What has changed on the principal's customer with that id since the Stripe second `since`.
pub async fn news(
    tx: &mut Tx,
    principal: &Principal,
    id: &str,
    since: i64,
    now: i64,
) -> store::Result<Option<News>> {
    let (customers, shelf) = CardRows::read(tx, principal, Some(id)).await?;
    let Some(customer) = customers.first() else {
        return Ok(None);
    };
    let has_paid = mirror::has_paid_since(tx, &customer.id, since).await?;
    Ok(Some(shelf.news(customer, since, has_paid, now)))
}

/// All rows that the cards need. Includes tombstones of prices, products and coupons, because a deleted one can still be in use.
#[derive(Default)]
struct CardRows {
    subscriptions: Vec<Subscription>,
    items: Vec<SubscriptionItem>,
    prices: BTreeMap<String, Price>,
    products: BTreeMap<String, Product>,
    methods: BTreeMap<String, PaymentMethod>,
    discounts: BTreeMap<String, Discount>,
    /// Discounts that are known from events of their own.
    told_discounts: Vec<Discount>,
    /// Known payment methods and discounts whose rows the customer may not see, because they no longer belong to them.
    over: BTreeSet<String>,
    coupons: BTreeMap<String, Coupon>,
    invoices: Vec<Invoice>,
    /// Customers with a payment in process.
    in_process: BTreeSet<String>,
}

/// The sort order of cards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Failed,
    Waiting,
    Well,
}

impl CardRows {
    /// Reads the principal's customers, or `only` that one, and all rows for their cards.
    async fn read(
        tx: &mut Tx,
        principal: &Principal,
        only: Option<&str>,
    ) -> store::Result<(Vec<Customer>, CardRows)> {
        let rows = card_rows::read(tx, principal, only).await?;
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
        // Most customers have nothing to look up from here on.
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
        let shelf = CardRows {
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

    fn card(&self, customer: &Customer, now: i64) -> Card {
        self.ranked(customer, now).1
    }

    fn ranked(&self, customer: &Customer, now: i64) -> (Rank, Card) {
        let shown = self.shown(customer);
        let mut subscriptions: Vec<_> = shown
            .iter()
            .map(|row| self.subscription(customer, row, now))
            .collect();
        subscriptions.sort_by_key(|subscription| subscription.status.urgent().is_none());
        let is_running = shown.iter().any(|row| !has_ended(row));
        let email = customer.email.as_deref().unwrap_or_default();
        let email: String = email.chars().filter(|it| text::is_seen(*it)).collect();
        let email = email.trim().to_owned();
        let named = [&customer.name, &customer.description]
            .into_iter()
            .flatten()
            .find(|name| text::is_visible(name));
        let due = self.due(customer, now);
        let urgency = due.as_ref().map(|due| due.urgency);
        let status = overall(customer, &subscriptions, is_running, urgency);
        let has_failed = urgency.is_some_and(|urgency| urgency != Urgency::Open)
            || customer.delinquent != 0
            || shown.iter().any(|row| is_late(row));
        let rank = match (has_failed, status.needs_attention()) {
            (true, true) => Rank::Failed,
            (false, true) => Rank::Waiting,
            (_, false) => Rank::Well,
        };
        let card = Card {
            name: named.cloned(),
            created: customer.created,
            status,
            payment_methods: self.payment_methods(customer, &shown, now),
            due,
            invoices: self.invoices(customer, now),
            customer: customer.id.clone(),
            subscriptions,
            email,
        };
        (rank, card)
    }

    /// The running subscriptions, without abandoned attempts to subscribe; else the newest such attempt; else the subscription that
    /// ended last.
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
            // An attempt that expired is not a subscription that ended.
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

    fn subscription(&self, customer: &Customer, row: &Subscription, now: i64) -> SubscriptionCard {
        let items = self.items_of(row);
        let has_ended = has_ended(row);
        let will_end = will_end(row, &items);
        let next = next_charge(row, &items, will_end, now);
        let charge = charge::of(self, customer, row, &items, next, now);
        let (products, has_more_products) = self.products(row, &items);
        let description = row.description.clone();
        SubscriptionCard {
            products,
            has_more_products,
            description: description.filter(|words| text::is_visible(words)),
            cost: charge.cost,
            plus_tax: charge.plus_tax,
            discount: charge.discount.map(|discount| card::Discount {
                until: discount.until.filter(|_| !has_ended),
                ..discount
            }),
            status: status(row, &items, will_end, now),
            dates: dates(row, &items, will_end, now),
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

    /// The names of the products, and whether there are others. Never a price's nickname, which Stripe hides from customers
    /// (<https://docs.stripe.com/api/prices/object#price_object-nickname>).
    fn products(&self, row: &Subscription, items: &[&SubscriptionItem]) -> (Vec<String>, bool) {
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
        (known, !is_whole)
    }

    fn news(&self, customer: &Customer, since: i64, has_paid: bool, now: i64) -> News {
        let card = self.card(customer, now);
        let changed = self.subscriptions.iter().filter(|row| {
            row.customer_id.as_ref() == Some(&customer.id)
                && row.stripe_at > since
                && !is_attempt(row)
        });
        let is_newer = |row: &PaymentMethod| row.stripe_at > since;
        let is_other = customer.stripe_at > since || self.methods.values().any(is_newer);
        News {
            subscriptions: changed
                .map(|row| self.subscription(customer, row, now))
                .collect(),
            payment_methods: card.payment_methods.filter(|_| is_other),
            has_paid,
            due: card.due,
        }
    }
}

/// The ids in a JSON list.
fn ids_in(list: Option<&str>) -> Vec<String> {
    list.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn by_id<R: Row>(rows: impl IntoIterator<Item = R>) -> BTreeMap<String, R> {
    rows.into_iter()
        .map(|row| (row.id().to_owned(), row))
        .collect()
}

/// The rows with these ids, tombstones included.
async fn find_all<'i, R: Row>(
    tx: &mut Tx,
    ids: impl Iterator<Item = &'i String>,
) -> store::Result<Vec<R>> {
    let ids: Vec<_> = ids.map(String::as_str).collect();
    row::find_all::<R>(tx, &ids).await
}

#[cfg(test)]
mod tests;
