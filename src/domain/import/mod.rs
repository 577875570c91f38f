//! Imports every existing object from Stripe (backfill). Stripe's lists are sorted newest first. The import splits their time span
//! into ranges that are read concurrently. A checkpoint of the ranges that are left is stored with every page, so that an interrupted
//! import resumes.

mod done;
mod entitlements;
pub mod lock;
mod ranges;
mod unseen;

use std::collections::{BTreeMap, VecDeque};

use futures::FutureExt;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use done::Done;
use ranges::{BEGINNING, Left, Range};

use super::{
    App, devices,
    mirror::{Kind, Owner, Source},
    refetch::{self, Fetched, Written},
    sweep,
};
use crate::{
    store,
    stripe::{Client, client, json, read::Page},
};

/// The number of ranges that are read concurrently. The client limits the rate of requests.
const SIDE_BY_SIDE: usize = 12;
/// Seconds by which the time span extends beyond now. Events report objects that are created later.
const SOME_MORE: i64 = 60;
/// The precision of the binary search for the oldest object's time: this fraction of the time since then, but at least an hour.
const FINE: i64 = 64;
const HOUR: i64 = 60 * 60;
/// How often the import makes one request before it gives up: about ten minutes. Each time is four attempts of the client, usually
/// followed by half a minute in which the circuit breaker is open.
const MOST_TIMES: usize = 20;
/// Seconds after which the checkpoint of an earlier run expires, and the import reads everything again.
const TOO_OLD: i64 = 7 * 24 * 60 * 60;

/// The nouns to import, in the order in which pages need them: products and prices first. Nouns without a list of their own are read with
/// the customers and subscriptions that contain them.
pub fn nouns() -> Vec<Kind> {
    let mut nouns: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.about().source.is_imported())
        .collect();
    nouns.sort_by_key(|kind| kind.about().owner != Owner::Nobody);
    nouns
}

/// The progress of one noun's import.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    pub kind: Kind,
    /// Objects read so far, including those that an interrupted earlier run read.
    pub read: u64,
    /// The fraction that is read, from 0 to 1.
    pub part: f64,
}

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Objects read of each noun.
    pub read: BTreeMap<Kind, u64>,
    /// One line for each object or list that could not be read.
    pub errors: Vec<String>,
    /// Whether it was cancelled before the end.
    pub is_stopped: bool,
}

/// Imports the nouns, and calls `tell` with the progress after every page. A failure is added to the report, and the other nouns are still
/// read. On `stop` the import cancels all pending requests at once; the next run resumes from the last checkpoint.
pub async fn run(
    app: &App,
    client: &Client,
    nouns: &[Kind],
    stop: &CancellationToken,
    mut tell: impl FnMut(Progress),
) -> Result<Report, sweep::Error> {
    let mut report = Report::default();
    let reading = read_all(app, client, nouns, &mut report, &mut tell);
    match stop.run_until_cancelled(reading).await {
        Some(result) => result?,
        None => report.is_stopped = true,
    }
    Ok(report)
}

async fn read_all(
    app: &App,
    client: &Client,
    nouns: &[Kind],
    report: &mut Report,
    tell: &mut impl FnMut(Progress),
) -> Result<(), sweep::Error> {
    begin(app, client).await?;
    let mut done = Done::of_earlier_run(app, nouns).await?;
    for kind in nouns.iter().copied() {
        if let Some(read) = done.read(kind) {
            report.read.insert(kind, read);
            continue;
        }
        let import = Import { app, client, kind };
        let result = match kind.about().source {
            Source::OfCustomer(_) => entitlements::run(app, client, report, tell).await,
            _ => import.run(report, tell).await,
        };
        match result {
            Ok(true) => {
                let read = report.read.get(&kind).copied().unwrap_or_default();
                done.add(app, kind, read).await?;
            }
            // The report names what failed, and the checkpoint keeps it for the next run.
            Ok(false) => {}
            Err(sweep::Error::Stripe(error)) => {
                report
                    .errors
                    .push(format!("{}: {error}", refetch::list_of(kind)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Done::forget(app).await?)
}

/// Sets the sweep's cursor, unless there is one, so that changes during the import are not lost.
async fn begin(app: &App, client: &Client) -> Result<(), sweep::Error> {
    if sweep::has_begun(app).await? {
        return Ok(());
    }
    let page = patiently(client, || client.page("v1/customers", &[])).await?;
    sweep::set_cursor(app, page.as_of).await
}

struct Import<'a> {
    app: &'a App,
    client: &'a Client,
    kind: Kind,
}

impl Import<'_> {
    /// Imports the noun. Returns whether it reached the end.
    async fn run(
        &self,
        report: &mut Report,
        tell: &mut impl FnMut(Progress),
    ) -> Result<bool, sweep::Error> {
        let mut left = self.begin().await?;
        report.read.insert(self.kind, left.read);
        let mut waiting: VecDeque<Range> = left.ranges.drain(..).collect();
        let mut running = JoinSet::new();
        let mut under_way = BTreeMap::<u64, Range>::new();
        let mut numbers = 0_u64..;
        loop {
            while running.len() < SIDE_BY_SIDE {
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
            let (number, result) = match joined {
                Ok(done) => done,
                // The range of a task that panicked stays in `under_way`, and so in the checkpoint for the next run.
                Err(error) => {
                    let list = refetch::list_of(self.kind);
                    report.errors.push(format!("{list}: {error}"));
                    continue;
                }
            };
            let Some(range) = under_way.remove(&number) else {
                continue;
            };
            let (objects, has_more, as_of) = match result {
                Ok(page) => page,
                // The object of the pagination cursor may have been deleted. Its second is known: read the range without the cursor.
                Err(error) if is_refused(&error) && range.after.is_some() => {
                    waiting.push_back(Range {
                        after: None,
                        ..range
                    });
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let split = waiting.is_empty() && running.len() + 1 < SIDE_BY_SIDE;
            waiting.extend(range.rest(&objects, has_more, split));
            left.as_of = Some(left.as_of.map_or(as_of, |first| first.min(as_of)));
            left.read += u64::try_from(objects.len()).unwrap_or(u64::MAX);
            left.ranges = waiting.iter().chain(under_way.values()).cloned().collect();
            let (objects, as_of) = self.completed(objects, as_of, report).await;
            let kept = serde_json::to_string(&left).ok();
            keep(self.app, self.kind, objects, as_of, kept, report).await?;
            report.read.insert(self.kind, left.read);
            tell(Progress {
                kind: self.kind,
                read: left.read,
                part: left.part(),
            });
        }
        if !under_way.is_empty() {
            return Ok(false);
        }
        if let (Kind::Customer, Some(since)) = (self.kind, left.as_of) {
            unseen::run(self.app, self.client, since, report).await?;
        }
        Ok(true)
    }

    /// Loads the checkpoint of the last run, or starts with the whole time span.
    async fn begin(&self) -> Result<Left, sweep::Error> {
        let kept = progress(self.app, name(self.kind)).await?;
        if let Some(left) = kept.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(left);
        }
        let (from, to) = self.span().await?;
        Ok(Left::whole(from, to))
    }

    /// The time span from about the oldest object up to now, found by binary search. Without it, most ranges would be empty, and the
    /// progress would be wrong.
    async fn span(&self) -> Result<(i64, i64), client::Error> {
        let path = format!("v1/{}", refetch::list_of(self.kind));
        let query = self.kind.about().listed_with.to_vec();
        let (holds, as_of) = patiently(self.client, || self.client.holds(&path, &query)).await?;
        let now = match as_of {
            0 => self.app.clock.now(),
            second => second,
        };
        let to = now + SOME_MORE;
        // Invariant: no object is older than `from`, and some object is older than `until`.
        let (mut from, mut until) = (BEGINNING, to);
        while holds && until - from > ((to - from) / FINE).max(HOUR) {
            let middle = from + (until - from) / 2;
            let before = middle.to_string();
            let mut query = query.clone();
            query.push(("created[lt]", before.as_str()));
            match patiently(self.client, || self.client.holds(&path, &query)).await? {
                (true, _) => until = middle,
                (false, _) => from = middle,
            }
        }
        Ok((from, to))
    }

    /// Completes objects whose nested lists Stripe truncated, and returns them with the Stripe second of the answers. An object that
    /// cannot be completed goes into the report and is skipped: a truncated list must not replace a complete one.
    async fn completed(
        &self,
        objects: Vec<Value>,
        mut as_of: i64,
        report: &mut Report,
    ) -> (Vec<Value>, i64) {
        let mut whole = Vec::with_capacity(objects.len());
        for object in objects {
            let mut fetched = Fetched {
                kind: self.kind,
                object,
                as_of,
            };
            rest(self.client).await;
            match refetch::complete(self.client, &mut fetched).await {
                Ok(()) => {
                    as_of = fetched.as_of;
                    whole.push(fetched.object);
                }
                Err(error) => {
                    let id = json::text(&fetched.object, "id").unwrap_or_default();
                    report.errors.push(format!("{id}: {error}"));
                }
            }
        }
        (whole, as_of)
    }
}

/// Loads what an earlier run stored under the name, unless it has expired.
async fn progress(app: &App, name: String) -> store::Result<Option<String>> {
    let since = app.clock.now() - TOO_OLD;
    app.store
        .read(move |tx| async move { store::progress::get_since(tx, &name, since).await }.boxed())
        .await
}

/// The name under which the database keeps the checkpoint of a noun.
fn name(kind: Kind) -> String {
    format!("import {}", refetch::list_of(kind))
}

/// Writes a batch of objects and, in the same transaction, the checkpoint.
async fn keep(
    app: &App,
    kind: Kind,
    objects: Vec<Value>,
    as_of: i64,
    left: Option<String>,
    report: &mut Report,
) -> Result<(), sweep::Error> {
    let (name, now, livemode) = (name(kind), app.clock.now(), app.config.livemode());
    let work = app.store.write(move |tx| {
        async move {
            refetch::lock(tx, &objects).await?;
            let written = refetch::write(tx, kind, &objects, as_of, livemode).await?;
            devices::end_orphans(tx, &written.left, livemode, now).await?;
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
        ..
    } = work.await?;
    app.changes.tell_committed(&app.store, changed);
    let list = refetch::list_of(kind);
    report.errors.extend(
        unreadable
            .into_iter()
            .map(|id| format!("{list}: {id} cannot be read")),
    );
    Ok(())
}

/// Waits while the circuit breaker of Stripe's API is open, or for `Retry-After`. An import is not in a hurry.
async fn rest(client: &Client) {
    while let Some(rest) = client.rest() {
        tokio::time::sleep(rest).await;
    }
}

/// Retries a request after transient errors, up to [`MOST_TIMES`] times. Before each attempt, waits for the circuit breaker ([`rest`]).
async fn patiently<T, F>(client: &Client, ask: impl Fn() -> F) -> Result<T, client::Error>
where
    F: Future<Output = Result<T, client::Error>>,
{
    for _ in 1..MOST_TIMES {
        rest(client).await;
        match ask().await {
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "the import waits for Stripe");
            }
            result => return result,
        }
    }
    rest(client).await;
    ask().await
}

/// Whether Stripe rejected the request as invalid (400 or 404).
fn is_refused(error: &client::Error) -> bool {
    matches!(
        error.status(),
        Some(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND)
    )
}

async fn page(
    client: &Client,
    kind: Kind,
    range: &Range,
) -> Result<(Vec<Value>, bool, i64), client::Error> {
    let (from, to) = (range.from.to_string(), range.to.to_string());
    let mut query = vec![("created[gte]", from.as_str()), ("created[lte]", &to)];
    query.extend(range.after.as_deref().map(|id| ("starting_after", id)));
    let about = kind.about();
    query.extend(about.listed_with);
    query.extend(about.expand_listed.iter().map(|field| ("expand[]", *field)));
    let path = format!("v1/{}", about.list);
    let Page {
        objects,
        has_more,
        as_of,
    } = patiently(client, || client.page(&path, &query)).await?;
    Ok((objects, has_more, as_of))
}
