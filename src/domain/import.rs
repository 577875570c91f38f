//! Reads every object of Stripe's once. Lists come newest first; the time that they span is split
//! into ranges that are read side by side, and what is left of them is kept with every page, so
//! that a second run goes on where the first was stopped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    App,
    mirror::Kind,
    refetch::{self, Fetched, Written},
    sweep,
};
use crate::{
    store,
    stripe::{Client, client, json, read::Page},
};

/// Ranges that are read at once. The limit of requests is the client's.
const SIDE_BY_SIDE: usize = 12;
/// Nothing of Stripe's is older: 2010-01-01.
const BEGINNING: i64 = 1_262_304_000;
/// Seconds below which a range is not split.
const SMALLEST: i64 = 60;

/// The nouns that Stripe lists without a customer, in the order in which pages need them. Payment
/// methods come with the customers and subscriptions that use them.
pub const NOUNS: [Kind; 8] = [
    Kind::Product,
    Kind::Price,
    Kind::Customer,
    Kind::Subscription,
    Kind::Invoice,
    Kind::PaymentIntent,
    Kind::InvoicePayment,
    Kind::CheckoutSession,
];

/// A part of the time in which objects were made, both ends included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Range {
    from: i64,
    to: i64,
    /// The last object that was read of it.
    after: Option<String>,
}

/// What is kept between pages and between runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    ranges: Vec<Range>,
    /// Objects read so far.
    read: u64,
    /// The second up to which the noun is read.
    to: i64,
}

/// How far a noun has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    pub kind: Kind,
    /// Objects read so far, those of an earlier run included.
    pub read: u64,
    /// The part of the time that is read, from 0 to 1.
    pub part: f64,
}

/// How it went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects read of each noun.
    pub read: BTreeMap<Kind, u64>,
    /// What could not be read, one line each.
    pub errors: Vec<String>,
    /// It was asked to stop before the end.
    pub is_stopped: bool,
}

/// Reads the nouns, telling how far it has come after every page. What fails is in the report; the
/// other nouns are read all the same.
pub async fn run(
    app: &App,
    client: &Client,
    nouns: &[Kind],
    stop: &CancellationToken,
    mut tell: impl FnMut(Progress),
) -> Result<Report, sweep::Error> {
    sweep::begin(app).await?;
    let mut report = Report::default();
    for kind in nouns {
        let import = Import {
            app,
            client,
            kind: *kind,
        };
        match import.run(stop, &mut report, &mut tell).await {
            Ok(()) => {}
            Err(sweep::Error::Stripe(error)) => {
                report
                    .errors
                    .push(format!("{}: {error}", refetch::list_of(*kind)));
            }
            Err(error) => return Err(error),
        }
        if stop.is_cancelled() {
            report.is_stopped = true;
            break;
        }
    }
    Ok(report)
}

struct Import<'a> {
    app: &'a App,
    client: &'a Client,
    kind: Kind,
}

impl Import<'_> {
    async fn run(
        &self,
        stop: &CancellationToken,
        report: &mut Report,
        tell: &mut impl FnMut(Progress),
    ) -> Result<(), sweep::Error> {
        let mut left = self.begin().await?;
        let mut waiting: VecDeque<Range> = left.ranges.drain(..).collect();
        let mut running = JoinSet::new();
        let mut under_way = BTreeMap::<u64, Range>::new();
        let mut numbers = 0_u64..;
        loop {
            while running.len() < SIDE_BY_SIDE && !stop.is_cancelled() {
                let (Some(range), Some(number)) = (waiting.pop_front(), numbers.next()) else {
                    break;
                };
                under_way.insert(number, range.clone());
                let (client, kind) = (self.client.clone(), self.kind);
                running.spawn(async move { (number, page(&client, kind, &range).await) });
            }
            let Some(joined) = running.join_next().await else {
                break;
            };
            let Ok((number, result)) = joined else {
                continue;
            };
            let Some(range) = under_way.remove(&number) else {
                continue;
            };
            let (objects, has_more, as_of) = result?;
            let split = waiting.is_empty() && running.len() + 1 < SIDE_BY_SIDE;
            waiting.extend(rest(range, &objects, has_more, split));
            left.read += u64::try_from(objects.len()).unwrap_or(u64::MAX);
            left.ranges = waiting.iter().chain(under_way.values()).cloned().collect();
            let (objects, cut): (Vec<_>, Vec<_>) = objects
                .into_iter()
                .partition(|object| !json::is_cut(object, "items"));
            self.keep(objects, as_of, Some(&left), report).await?;
            for object in cut {
                self.keep_cut(object, as_of, report).await?;
            }
            report.read.insert(self.kind, left.read);
            tell(Progress {
                kind: self.kind,
                read: left.read,
                part: part(&left),
            });
        }
        if !stop.is_cancelled() {
            self.forget().await?;
        }
        Ok(())
    }

    /// Where the last run stopped, or the whole time.
    async fn begin(&self) -> Result<Left, sweep::Error> {
        let name = self.name();
        let kept = self
            .app
            .store
            .read(move |tx| async move { store::progress::get(tx, &name).await }.boxed())
            .await?;
        if let Some(left) = kept.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(left);
        }
        // A day more than now, in case that our clock is behind Stripe's.
        let to = self.app.clock.now() + 24 * 60 * 60;
        Ok(Left {
            ranges: vec![Range {
                from: BEGINNING,
                to,
                after: None,
            }],
            read: 0,
            to,
        })
    }

    /// Writes objects and, in the same transaction, what is left.
    async fn keep(
        &self,
        objects: Vec<Value>,
        as_of: i64,
        left: Option<&Left>,
        report: &mut Report,
    ) -> Result<(), sweep::Error> {
        let (kind, name, now) = (self.kind, self.name(), self.app.clock.now());
        let livemode = self.app.config.livemode();
        let left = left
            .map(serde_json::to_string)
            .transpose()
            .unwrap_or_default();
        let work = self.app.store.write(move |tx| {
            async move {
                let ids: Vec<_> = objects
                    .iter()
                    .filter_map(|object| json::text(object, "id"))
                    .collect();
                tx.lock(&ids.iter().map(String::as_str).collect::<Vec<_>>())
                    .await?;
                let written = refetch::write(tx, kind, &objects, as_of, livemode).await?;
                if let Some(left) = left {
                    store::progress::set(tx, &name, &left, now).await?;
                }
                Ok(written)
            }
            .boxed()
        });
        let Written {
            changed,
            unreadable,
        } = work.await?;
        let changed: BTreeSet<_> = changed;
        changed
            .into_iter()
            .for_each(|address| self.app.changes.tell(address));
        let list = refetch::list_of(self.kind);
        report.errors.extend(
            unreadable
                .into_iter()
                .map(|id| format!("{list}: {id} cannot be read")),
        );
        Ok(())
    }

    /// One object whose list is completed first. If that fails it is written as it is, and told.
    async fn keep_cut(
        &self,
        object: Value,
        as_of: i64,
        report: &mut Report,
    ) -> Result<(), sweep::Error> {
        let mut fetched = Fetched {
            kind: self.kind,
            object,
            as_of,
        };
        if let Err(error) = refetch::complete(self.client, &mut fetched).await {
            let id = json::text(&fetched.object, "id").unwrap_or_default();
            report
                .errors
                .push(format!("{id}: only its first items: {error}"));
        }
        self.keep(vec![fetched.object], fetched.as_of, None, report)
            .await
    }

    async fn forget(&self) -> Result<(), sweep::Error> {
        let name = self.name();
        self.app
            .store
            .write(move |tx| async move { store::progress::forget(tx, &name).await }.boxed())
            .await?;
        Ok(())
    }

    fn name(&self) -> String {
        format!("import {}", refetch::list_of(self.kind))
    }
}

async fn page(
    client: &Client,
    kind: Kind,
    range: &Range,
) -> Result<(Vec<Value>, bool, i64), client::Error> {
    let (from, to) = (range.from.to_string(), range.to.to_string());
    let mut query = vec![("created[gte]", from.as_str()), ("created[lte]", &to)];
    query.extend(range.after.as_deref().map(|id| ("starting_after", id)));
    match kind {
        Kind::Customer => {
            query.push(("expand[]", "data.invoice_settings.default_payment_method"));
        }
        // Without it the canceled ones are missing.
        Kind::Subscription => query.extend([
            ("status", "all"),
            ("expand[]", "data.default_payment_method"),
        ]),
        Kind::Price => query.push(("expand[]", "data.tiers")),
        _ => {}
    }
    let path = format!("v1/{}", refetch::list_of(kind));
    // Stripe in trouble is waited for: an import has time.
    while let Some(rest) = client.rest() {
        tokio::time::sleep(rest).await;
    }
    let Page {
        objects,
        has_more,
        as_of,
    } = client.page(&path, &query).await?;
    Ok((objects, has_more, as_of))
}

/// What is left of a range after a page, in two parts where others have nothing to do.
fn rest(range: Range, objects: &[Value], has_more: bool, split: bool) -> Vec<Range> {
    let Some(last) = objects.last().filter(|_| has_more) else {
        return Vec::new();
    };
    let Some(id) = json::text(last, "id") else {
        return Vec::new();
    };
    let oldest = json::number(last, "created").clamp(range.from, range.to);
    let newer = Range {
        to: oldest,
        after: Some(id),
        ..range
    };
    if !split || oldest - newer.from < SMALLEST {
        return vec![newer];
    }
    let middle = newer.from + (oldest - newer.from) / 2;
    let older = Range {
        from: newer.from,
        to: middle,
        after: None,
    };
    let newer = Range {
        from: middle + 1,
        ..newer
    };
    vec![newer, older]
}

fn part(left: &Left) -> f64 {
    let span = |from: i64, to: i64| (to - from).max(0) as f64;
    let still: f64 = left
        .ranges
        .iter()
        .map(|range| span(range.from, range.to))
        .sum();
    (1.0 - still / span(BEGINNING, left.to).max(1.0)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn range(from: i64, to: i64) -> Range {
        Range {
            from,
            to,
            after: None,
        }
    }

    #[test]
    fn what_is_left_of_a_range_has_no_hole_and_no_overlap() {
        let objects = [
            json!({ "id": "b", "created": 900 }),
            json!({ "id": "a", "created": 800 }),
        ];
        assert_eq!(rest(range(0, 1000), &objects, false, true), []);
        let whole = Range {
            from: 0,
            to: 800,
            after: Some("a".to_owned()),
        };
        let unsplit = rest(range(0, 1000), &objects, true, false);
        assert_eq!(unsplit, std::slice::from_ref(&whole));
        let parts = rest(range(0, 1000), &objects, true, true);
        assert_eq!(
            parts,
            [
                Range {
                    from: 401,
                    ..whole.clone()
                },
                range(0, 400)
            ]
        );
        assert_eq!(
            rest(range(790, 1000), &objects, true, true),
            [Range { from: 790, ..whole }]
        );
    }
}
