//! `GET /billing/live`: the list of an open page as server-sent events. `customers` carries the
//! whole list as JSON: at once, so that nothing is missed between page and stream, and after each
//! change. `signed-out` says that the session is over.
//!
//! The stream ends after as long as an access token lives: the browser comes back by itself, and passes
//! the guard again. An open page is no use of the session, so one that nobody touches is told at the
//! idle limit that it is over.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::State,
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

use super::Site;
use crate::{
    domain::{
        App, billing,
        changes::Change,
        session::{self, ACCESS_LIFETIME},
    },
    store::Principal,
};

pub const ROUTE: &str = "/billing/live";

const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub async fn stream(
    State(site): State<Site>,
    Extension(principal): Extension<Principal>,
) -> Response {
    let stop = site.stop.clone();
    let end = async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(ACCESS_LIFETIME.unsigned_abs())) => {}
        }
    };
    let page = Page {
        changes: site.app.changes.listen(),
        app: site.app.clone(),
        principal,
        is_new: true,
        seconds_left: 0,
    };
    answer(stream::unfold(Some(page), next).take_until(Box::pin(end)))
}

/// What a browser is told that has no session: an answer that it can read, where a 401 would only
/// make it give up.
pub fn signed_out() -> Response {
    answer(stream::iter([Ok(over())]))
}

fn answer(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

fn over() -> Event {
    // A browser drops an event that has no data.
    Event::default()
        .event("signed-out")
        .data("the session is over")
}

/// One open page.
struct Page {
    app: App,
    principal: Principal,
    changes: Receiver<Change>,
    is_new: bool,
    /// Until its session reaches a limit, as it was when last looked at.
    seconds_left: i64,
}

/// The list at once, then after each change. When the database does not answer, the stream ends:
/// the browser comes back, and gets the list then.
async fn next(page: Option<Page>) -> Option<(Result<Event, Infallible>, Option<Page>)> {
    let mut page = page?;
    let mut is_due = std::mem::take(&mut page.is_new);
    loop {
        if !is_due {
            is_due = page.wait_for_change().await?;
        }
        match session::seconds_left(&page.app, &page.principal)
            .await
            .ok()?
        {
            Some(seconds) => page.seconds_left = seconds,
            None => return Some((Ok(over()), None)),
        }
        if is_due {
            break;
        }
    }
    let list = billing::customers(&page.app, &page.principal).await.ok()?;
    let event = Event::default().event("customers").json_data(list).ok()?;
    Some((Ok(event), Some(page)))
}

impl Page {
    /// True after a change, false when the session may be over, `None` when the program is ending.
    async fn wait_for_change(&mut self) -> Option<bool> {
        let limit = Duration::from_secs(self.seconds_left.max(1).unsigned_abs());
        let change = async {
            loop {
                match self.changes.recv().await {
                    Ok(change) if !change.concerns(self.principal.email()) => {}
                    // After a lag some were missed; one of them may have been ours.
                    Ok(_) | Err(RecvError::Lagged(_)) => return Some(true),
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        let is_changed = tokio::time::timeout(limit, change)
            .await
            .unwrap_or(Some(false))?;
        // The list that is read next holds these already.
        while is_changed
            && !matches!(
                self.changes.try_recv(),
                Err(TryRecvError::Empty | TryRecvError::Closed)
            )
        {}
        Some(is_changed)
    }
}
