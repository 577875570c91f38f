//! `GET /billing/live`: server-sent events that say "your customers have changed". A page then asks
//! for them again. The stream ends when the access token that opened it would have: the browser
//! comes back by itself, and passes the guard again.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::Site;
use crate::{
    domain::session::{self, ACCESS_LIFETIME},
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
    Sse::new(changes(site, principal).take_until(Box::pin(end)))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

/// One event for each change of the principal's customers, until the session ends.
fn changes(
    site: Site,
    principal: Principal,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    BroadcastStream::new(site.app.changes.listen())
        .filter({
            let address = principal.email().to_owned();
            move |change| {
                let is_mine = match change {
                    Ok(changed) => *changed == address,
                    // Some were missed; one of them may have been ours.
                    Err(BroadcastStreamRecvError::Lagged(_)) => true,
                };
                async move { is_mine }
            }
        })
        .then(move |_| {
            let (app, principal) = (site.app.clone(), principal.clone());
            async move { session::is_live(&app, &principal).await.unwrap_or_default() }
        })
        .take_while(|is_live| {
            let is_live = *is_live;
            async move { is_live }
        })
        .map(|_| Ok(Event::default().event("customers").data("changed")))
}
