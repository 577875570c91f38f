//! Fetches each customer of the mirror that no page of the import contained. Stripe's lists omit deleted customers, so these may have
//! been deleted.

use futures::{FutureExt, StreamExt};
use reqwest::StatusCode;

use super::{Report, SIDE_BY_SIDE, keep, patiently};
use crate::{
    domain::{
        App,
        mirror::Kind,
        refetch::{self, Fetched},
        sweep,
    },
    store,
    stripe::Client,
};

/// Batch size: customers that one query reads from the database.
const PART: i64 = 100;

/// Fetches the customers that were last written before `since`, the Stripe second in which the import began.
pub async fn run(
    app: &App,
    client: &Client,
    since: i64,
    report: &mut Report,
) -> Result<(), sweep::Error> {
    let livemode = app.config.livemode();
    let mut after = String::new();
    loop {
        let from = after.clone();
        let read = app.store.read(move |tx| {
            async move {
                store::customer::ids_unwritten_since(tx, since, &from, livemode, PART).await
            }
            .boxed()
        });
        let ids = read.await?;
        let Some(last) = ids.last().cloned() else {
            return Ok(());
        };
        let mut reading = futures::stream::iter(ids)
            .map(|id| async move {
                let read = patiently(client, || refetch::fetch(client, Kind::Customer, &id)).await;
                (id, read)
            })
            .buffer_unordered(SIDE_BY_SIDE);
        while let Some((id, read)) = reading.next().await {
            match read {
                Ok(Fetched { object, as_of, .. }) => {
                    keep(app, Kind::Customer, vec![object], as_of, None, report).await?;
                }
                // Stripe returns a deleted customer with a mark, not 404. So a 404 may mean that the API key belongs to another
                // account, and the row must not be deleted.
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {
                    let why = "Stripe does not know it: is the key of the right account?";
                    report.errors.push(format!("{id}: {why}"));
                }
                Err(error) => report.errors.push(format!("{id}: {error}")),
            }
        }
        after = last;
    }
}
