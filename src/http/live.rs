//! `GET /billing/live`: the list of an open page as server-sent events. `customers` carries the
//! whole list as JSON: at once, so that nothing is missed between page and stream, and after each
//! change. `signed-out` says that the session is over.
//!
//! The stream ends when the access token that opened it would have: the browser comes back by
//! itself, and passes the guard again.

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
}

/// The list at once, then after each change. When the database does not answer, the stream ends:
/// the browser comes back, and gets the list then.
async fn next(page: Option<Page>) -> Option<(Result<Event, Infallible>, Option<Page>)> {
    let mut page = page?;
    if !std::mem::take(&mut page.is_new) {
        page.wait_for_change().await?;
    }
    if !session::is_live(&page.app, &page.principal).await.ok()? {
        return Some((Ok(over()), None));
    }
    let list = billing::customers(&page.app, &page.principal).await.ok()?;
    let event = Event::default().event("customers").json_data(list).ok()?;
    Some((Ok(event), Some(page)))
}

impl Page {
    /// `None` when the program is ending.
    async fn wait_for_change(&mut self) -> Option<()> {
        loop {
            match self.changes.recv().await {
                Ok(change) if !change.concerns(self.principal.email()) => {}
                // After a lag some were missed; one of them may have been ours.
                Ok(_) | Err(RecvError::Lagged(_)) => break,
                Err(RecvError::Closed) => return None,
            }
        }
        // The list that is read next holds these already.
        while !matches!(
            self.changes.try_recv(),
            Err(TryRecvError::Empty | TryRecvError::Closed)
        ) {}
        Some(())
    }
}
