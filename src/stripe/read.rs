//! Reads objects from Stripe, one at a time or by page, with retries and backoff.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Client,
    client::{Answer, Error},
    json::{flag, text},
};
use crate::{backoff::Backoff, mask::shows};

/// Stripe's maximum page size.
const PAGE: &str = "100";
/// Attempts for one request before the caller gets the error.
const TRIES: i64 = 4;
const BETWEEN_TRIES: Backoff = Backoff::new(Duration::from_millis(500), 2, Duration::from_secs(2));

/// One page of a list, newest first.
#[derive(Clone, PartialEq)]
pub struct Page {
    pub objects: Vec<Value>,
    pub has_more: bool,
    /// See [`Answer::as_of`].
    pub as_of: i64,
}

shows!(Page: has_more, as_of);

impl Client {
    /// The object at a path such as `v1/customers/cus_1`.
    pub async fn read(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        self.patiently(path, query).await
    }

    /// One page of a list. `query` may hold filters and `starting_after`.
    pub async fn page(&self, path: &str, query: &[(&str, &str)]) -> Result<Page, Error> {
        self.first_of(path, PAGE, query).await
    }

    /// Whether a list has any element, and as of which second.
    pub async fn holds(&self, path: &str, query: &[(&str, &str)]) -> Result<(bool, i64), Error> {
        let page = self.first_of(path, "1", query).await?;
        Ok((!page.objects.is_empty(), page.as_of))
    }

    async fn first_of(
        &self,
        path: &str,
        limit: &str,
        query: &[(&str, &str)],
    ) -> Result<Page, Error> {
        let mut with_limit = vec![("limit", limit)];
        with_limit.extend_from_slice(query);
        let mut answer = self.patiently(path, &with_limit).await?;
        let objects = answer.body.get_mut("data").map(Value::take);
        let Some(Value::Array(objects)) = objects else {
            return Err(Error::Unreadable);
        };
        Ok(Page {
            has_more: flag(&answer.body, "has_more"),
            as_of: answer.as_of,
            objects,
        })
    }

    /// All elements of a truncated list, page by page, and as of which second.
    pub async fn all(&self, path: &str, query: &[(&str, &str)]) -> Result<(Value, i64), Error> {
        let mut elements = Vec::new();
        let mut as_of = i64::MAX;
        loop {
            let after = elements.last().and_then(|element| text(element, "id"));
            let mut query = query.to_vec();
            query.extend(after.as_deref().map(|id| ("starting_after", id)));
            let page = self.page(path, &query).await?;
            as_of = as_of.min(page.as_of);
            let is_last = !page.has_more || page.objects.is_empty();
            elements.extend(page.objects);
            if is_last {
                let list = json!({ "object": "list", "data": elements, "has_more": false });
                return Ok((list, as_of));
            }
        }
    }

    /// Retries with exponential backoff. If Stripe or a proxy sends `Retry-After`, the caller gets the error at
    /// once and waits as long as [`Client::rest`] says.
    async fn patiently(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        for tries in 1..TRIES {
            match self.get(path, query).await {
                Err(error) if error.is_passing() && self.pace.rest().is_none() => {
                    tracing::debug!(%error, path, "asking Stripe again");
                }
                result => return result,
            }
            tokio::time::sleep(BETWEEN_TRIES.pause(tries)).await;
        }
        self.get(path, query).await
    }

    /// How much longer background work must not call Stripe.
    pub fn rest(&self) -> Option<Duration> {
        self.pace.rest()
    }
}
