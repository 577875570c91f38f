//! The way back from Stripe: what has changed there since a person left for it.

use futures::FutureExt;

use super::super::{
    App,
    cards::{self, card::News},
};
use crate::store::Principal;

/// Where Stripe sends a person back to, who left when `was` was the newest Stripe second of the customer's
/// rows. That is compared with later, and so no clock of ours is.
pub fn path(customer: &str, was: i64) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("back", &format!("{was} {customer}"))
        .finish();
    format!("/billing?{query}")
}

/// What has changed of the principal's customer since they left. `back` is the value in [`path`], as the
/// browser sends it: nothing is said of what cannot be read, or is not theirs.
pub async fn news(app: &App, principal: &Principal, back: &str) -> Option<News> {
    let (was, id) = back.split_once(' ')?;
    let was: i64 = was.parse().ok().filter(|_| super::may_be_id(id))?;
    let (whose, id, now) = (principal.clone(), id.to_owned(), app.clock.now());
    let read = app.store.read_as(principal, move |tx| {
        async move { cards::news(tx, &whose, &id, was, now).await }.boxed()
    });
    match read.await {
        Ok(news) => news,
        Err(error) => {
            tracing::error!(%error, "what changed could not be looked up");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_customer_of_any_id_comes_back() {
        assert_eq!(path("cus_1", 7), "/billing?back=7+cus_1");
        assert_eq!(path("a b&c", 7), "/billing?back=7+a+b%26c");
    }
}
