//! `GET /billing/live`: the list of an open page as server-sent events. `customers` carries the whole list as JSON: once at the
//! start, so that no change between page and stream is missed, and after each change. On a page that a customer came back to from Stripe
//! (`?back=…`), it also carries what has changed since they left. `signed-out` says that the session is over.
//!
//! The stream ends after the lifetime of an access token, and sends no change once its refresh token has been replaced. The browser
//! reconnects by itself, and passes the guard again. An open page does not count as use of the session: an untouched page gets
//! `signed-out` at the idle timeout.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension,
    extract::rejection::QueryRejection,
    extract::{Query, State},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};
use tokio_util::sync::CancellationToken;

use super::Site;
use crate::{
    domain::{
        App, billing,
        caller::Caller,
        changes::Change,
        session::{self, ACCESS_LIFETIME, Watched},
    },
    present,
    store::Principal,
};

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Maximum number of streams per session. One more closes the oldest.
const MOST_OF_SESSION: usize = 8;
/// A closed page reconnects after this delay. At once, it would only close another.
const COME_BACK_AFTER: Duration = Duration::from_secs(30);

pub async fn stream(
    State(site): State<Site>,
    Extension(caller): Extension<Caller>,
    Extension(generation): Extension<Generation>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Caller::Visitor(principal) = caller else {
        return signed_out();
    };
    let back = asked.ok().and_then(|Query(asked)| asked.back);
    let place = Place::take(site.clone(), principal.session());
    let (stop, gives_way) = (site.stop.clone(), place.gives_way.clone());
    let end = async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = gives_way.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(ACCESS_LIFETIME.unsigned_abs())) => {}
        }
    };
    let page = Page {
        changes: site.app.changes.listen(),
        app: site.app.clone(),
        principal,
        generation,
        back,
        is_new: true,
        seconds_left: 0,
    };
    let list = stream::unfold(Some(page), next).take_until(Box::pin(end));
    // Holds its place for as long as the stream is open.
    let last = stream::once(async move { place.last_word() }).filter_map(future::ready);
    answer(list.chain(last))
}

/// The generation of the refresh token with which the guard admitted a stream.
#[derive(Clone, Copy, Debug)]
pub struct Generation(pub i64);

#[derive(Debug, serde::Deserialize)]
pub struct Asked {
    back: Option<String>,
}

/// The response without a session: an event stream that the browser can read. After a 401 it would give up.
pub fn signed_out() -> Response {
    answer(stream::iter([Ok(over())]))
}

fn answer(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    // nginx and servers built on it would otherwise buffer events.
    ([("x-accel-buffering", "no")], stream).into_response()
}

fn over() -> Event {
    // Browsers ignore an event without data.
    Event::default()
        .event("signed-out")
        .data("the session is over")
}

/// The open streams by session, each session's in order of age. Each stream has a token to close it.
#[derive(Debug, Default)]
pub struct Streams(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    streams: BTreeMap<(String, u64), CancellationToken>,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream's entry among those of its session. Dropping it removes the entry.
struct Place {
    site: Site,
    key: (String, u64),
    gives_way: CancellationToken,
}

impl Place {
    fn take(site: Site, session: &str) -> Place {
        let gives_way = CancellationToken::new();
        let mut open = site.streams.lock();
        open.next += 1;
        let key = (session.to_owned(), open.next);
        open.streams.insert(key.clone(), gives_way.clone());
        let of_session = (session.to_owned(), 0)..=key.clone();
        if open.streams.range(of_session.clone()).count() > MOST_OF_SESSION {
            let oldest = open.streams.range(of_session).next();
            let oldest = oldest.map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.and_then(|key| open.streams.remove(&key)) {
                oldest.cancel();
            }
        }
        drop(open);
        Place {
            site,
            key,
            gives_way,
        }
    }

    fn last_word(&self) -> Option<Result<Event, Infallible>> {
        let later = || Event::default().retry(COME_BACK_AFTER);
        self.gives_way.is_cancelled().then(|| Ok(later()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.site.streams.lock().streams.remove(&self.key);
    }
}

/// The state of one stream.
struct Page {
    app: App,
    principal: Principal,
    generation: Generation,
    /// See [`billing::news`].
    back: Option<String>,
    changes: Receiver<Change>,
    is_new: bool,
    /// Seconds until the session reaches its idle or absolute limit, as of the last look.
    seconds_left: i64,
}

/// Sends the list at once, then after each change. If the database fails, the stream ends: the browser reconnects, and gets the
/// list then.
async fn next(page: Option<Page>) -> Option<(Result<Event, Infallible>, Option<Page>)> {
    let mut page = page?;
    let mut is_due = std::mem::take(&mut page.is_new);
    loop {
        if !is_due {
            is_due = page.wait_for_change().await?;
        }
        let Generation(generation) = page.generation;
        match session::watch(&page.app, &page.principal, generation)
            .await
            .ok()?
        {
            Watched::Live(seconds) => page.seconds_left = seconds,
            Watched::Replaced => return None,
            Watched::Over => return Some((Ok(over()), None)),
        }
        if is_due {
            break;
        }
    }
    let cards = billing::customers(&page.app, &page.principal).await.ok()?;
    let list = present::customers(cards);
    let news = match &page.back {
        Some(back) => billing::news(&page.app, &page.principal, back).await,
        None => None,
    };
    let news = news.map(present::news);
    let event = Event::default()
        .event("customers")
        .json_data((list, news))
        .ok()?;
    Some((Ok(event), Some(page)))
}

impl Page {
    /// True after a change, false if the session may be over, `None` if the server shuts down.
    async fn wait_for_change(&mut self) -> Option<bool> {
        let limit = Duration::from_secs(self.seconds_left.max(1).unsigned_abs());
        let change = async {
            loop {
                match self.changes.recv().await {
                    Ok(change) if !change.concerns(self.principal.email()) => {}
                    // A receiver that lags has missed changes; one of them may concern this session.
                    Ok(_) | Err(RecvError::Lagged(_)) => return Some(true),
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        let is_changed = tokio::time::timeout(limit, change)
            .await
            .unwrap_or(Some(false))?;
        // Drains queued changes: the list that is read next includes them.
        while is_changed
            && !matches!(
                self.changes.try_recv(),
                Err(TryRecvError::Empty | TryRecvError::Closed)
            )
        {}
        Some(is_changed)
    }
}
