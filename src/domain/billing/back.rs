//! The return URL of Stripe's portal, and what has changed at Stripe since the visitor left for the portal.

use futures::FutureExt;

use super::super::{
    App,
    cards::{self, card::News},
};
use crate::store::Principal;

/// The return URL's path and query. `was` is the newest Stripe second of the customer's rows when the visitor left. [`news`] compares the
/// rows with it, so that clock skew between Stripe and this server does not matter.
pub fn path(customer: &str, was: i64) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("back", &format!("{was} {customer}"))
        .finish();
    format!("/billing?{query}")
}

/// Returns what has changed for the principal's customer since they left. `back` is the query value of [`path`], as the browser sends it.
/// It is not trusted: `None` if it cannot be parsed or names a customer that is not the principal's.
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
