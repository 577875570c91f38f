//! Imports active entitlements. Stripe lists them for one customer at a time, so the import iterates over the customers in the mirror,
//! ordered by id.

use futures::{FutureExt, StreamExt};
use reqwest::StatusCode;

use super::{Progress, Report, SIDE_BY_SIDE, keep};
use crate::{
    domain::{App, mirror::Kind, refetch, sweep},
    store,
    stripe::Client,
};

const KIND: Kind = Kind::EntitlementSummary;
/// Batch size in customers. The cursor is stored after each batch.
const PART: i64 = 100;

/// Reads the entitlements of every customer. Skips all of them if the account has no features, since there can be no entitlements then.
/// Returns whether it reached the end.
pub async fn run(
    app: &App,
    client: &Client,
    report: &mut Report,
    tell: &mut impl FnMut(Progress),
) -> Result<bool, sweep::Error> {
    // The cursor: the last customer that an earlier run completed.
    let kept = super::progress(app, super::name(KIND)).await?;
    let mut after = kept.unwrap_or_default();
    let is_new = after.is_empty();
    report.read.insert(KIND, 0);
    let features = || client.holds("v1/entitlements/features", &[]);
    if is_new && !super::patiently(client, features).await?.0 {
        return Ok(true);
    }
    loop {
        let (ids, done, left) = customers(app, after.clone()).await?;
        let Some(last) = ids.last().cloned() else {
            report.read.insert(KIND, done);
            return Ok(true);
        };
        let count = ids.len() as u64;
        let mut reading = futures::stream::iter(ids)
            .map(|id| async move {
                let read = super::patiently(client, || refetch::fetch(client, KIND, &id)).await;
                (id, read)
            })
            .buffer_unordered(SIDE_BY_SIDE);
        let (mut objects, mut as_of) = (Vec::new(), i64::MAX);
        while let Some((id, read)) = reading.next().await {
            match read {
                Ok(fetched) => {
                    as_of = as_of.min(fetched.as_of);
                    objects.push(fetched.object);
                }
                Err(error) if error.is_not_allowed() => return Err(error.into()),
                // The customer has been deleted since.
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {}
                Err(error) => report.errors.push(format!("entitlements of {id}: {error}")),
            }
        }
        keep(app, KIND, objects, as_of, Some(last.clone()), report).await?;
        after = last;
        let read = done + count;
        report.read.insert(KIND, read);
        tell(Progress {
            kind: KIND,
            read,
            part: read as f64 / (done + left).max(1) as f64,
        });
    }
}

/// Returns the ids of the next batch, the number of customers before it, and the number left, the batch included.
async fn customers(app: &App, after: String) -> Result<(Vec<String>, u64, u64), sweep::Error> {
    let livemode = app.config.livemode();
    let read = app.store.read(move |tx| {
        async move {
            let ids = store::customer::ids_after(tx, &after, livemode, PART).await?;
            let (before, left) = store::customer::counts_around(tx, &after, livemode).await?;
            Ok((ids, before, left))
        }
        .boxed()
    });
    let (ids, before, left) = read.await?;
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Ok((ids, count(before), count(left)))
}
