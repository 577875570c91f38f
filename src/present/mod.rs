//! Formats the list of customers: from the types of `domain` to the texts of `model`. The page, the server function and the event
//! stream of an open page all use it.

mod date;
mod invoices;
mod methods;
mod money;
mod news;
pub mod price;
mod status;

use crate::{
    domain::cards::card::{Card, SubscriptionCard},
    model::{CustomerView, SubscriptionView},
};

use date::day;
pub use news::news;

pub fn customers(cards: Vec<Card>) -> Vec<CustomerView> {
    cards.into_iter().map(customer).collect()
}

pub fn customer(card: Card) -> CustomerView {
    CustomerView {
        title: card.name.unwrap_or_else(|| card.email.clone()),
        email: card.email,
        created: day(card.created),
        state: status::of_customer(card.status),
        subscriptions: card.subscriptions.into_iter().map(subscription).collect(),
        payment_method: card.payment_methods.map(|methods| methods::words(&methods)),
        due: card.due.map(invoices::due),
        invoices: invoices::list(card.invoices),
        id: card.customer,
    }
}

fn subscription(card: SubscriptionCard) -> SubscriptionView {
    SubscriptionView {
        title: title(&card),
        price: price::cost(&card.cost, card.plus_tax),
        discount: card.discount.as_ref().map(price::discount),
        state: status::of_subscription(&card.status),
        dates: status::dates(&card),
        may_change: card.may_change,
        may_cancel: card.may_cancel,
        id: card.id,
    }
}

/// The names of the products, else the seller's description.
fn title(card: &SubscriptionCard) -> String {
    if card.products.is_empty() {
        let description = card.description.clone();
        return description.unwrap_or_else(|| "Subscription".to_owned());
    }
    let more = if card.has_more_products {
        " and more"
    } else {
        ""
    };
    format!("{}{more}", card.products.join(" + "))
}
