//! Reads every object of Stripe's once. Lists come newest first; the time that they span is split
//! into ranges that are read side by side, and what is left of them is kept with every page, so
//! that a second run goes on where the first was stopped.

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

/// Ranges that are read at once. The limit of requests is the client's.
const SIDE_BY_SIDE: usize = 12;
/// Seconds that an import goes beyond now; what is made later is told by events.
const SOME_MORE: i64 = 60;
/// How finely the time of the first object is looked for: a part of all the time since, but no finer than
/// an hour.
const FINE: i64 = 64;
const HOUR: i64 = 60 * 60;
/// Times that one thing is asked for, four tries and most often a rest of half a minute each, before an
/// import gives it up: some ten minutes.
const MOST_TIMES: usize = 20;
/// Seconds after which what is left of an earlier run is not gone on with, and all is read anew.
const TOO_OLD: i64 = 7 * 24 * 60 * 60;

/// The nouns that are imported, in the order in which pages need them: first what is for sale. What has no
/// list comes with the customers and subscriptions that have it.
pub fn nouns() -> Vec<Kind> {
    let mut nouns: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|kind| kind.about().source.is_imported())
        .collect();
    nouns.sort_by_key(|kind| kind.about().owner != Owner::Nobody);
    nouns
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
/// other nouns are read all the same. Told to stop it gives up what it waits for, however long that
/// would take; what was kept until then is where the next run goes on.
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
            // What is missing is named, and kept for the next run.
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

/// Sets the sweep's cursor, unless there is one, so that nothing that changes meanwhile is lost.
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
    /// Whether it came to the end.
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
                // The range of a task that panicked stays under way, and so is kept for the next run.
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
                // The object after which to go on may have been deleted; its second is known.
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

    /// Where the last run stopped, or the whole time.
    async fn begin(&self) -> Result<Left, sweep::Error> {
        let kept = progress(self.app, name(self.kind)).await?;
        if let Some(left) = kept.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(left);
        }
        let (from, to) = self.span().await?;
        Ok(Left::whole(from, to))
    }

    /// From when there is something, more or less, up to now: so that the ranges are of use, and what is
    /// left can be told.
    async fn span(&self) -> Result<(i64, i64), client::Error> {
        let path = format!("v1/{}", refetch::list_of(self.kind));
        let query = self.kind.about().listed_with.to_vec();
        let (holds, as_of) = patiently(self.client, || self.client.holds(&path, &query)).await?;
        let now = match as_of {
            0 => self.app.clock.now(),
            second => second,
        };
        let to = now + SOME_MORE;
        // Nothing is older than `from`, something than `until`.
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

    /// With what the lists in them are cut of, and as of when that is. What cannot be completed is
    /// named and left out: half of it must not replace the whole.
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

/// What was kept of an earlier run.
async fn progress(app: &App, name: String) -> store::Result<Option<String>> {
    let since = app.clock.now() - TOO_OLD;
    app.store
        .read(move |tx| async move { store::progress::get_since(tx, &name, since).await }.boxed())
        .await
}

/// Under which the progress of a noun is kept.
fn name(kind: Kind) -> String {
    format!("import {}", refetch::list_of(kind))
}

/// Writes objects and, in the same transaction, what is left.
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

/// Stripe in trouble is waited for: an import has time.
async fn rest(client: &Client) {
    while let Some(rest) = client.rest() {
        tokio::time::sleep(rest).await;
    }
}

/// Asks again, after the rest that Stripe is given, but not for ever.
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

/// Whether Stripe calls the request wrong.
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
