//! Connections: how many there may be, how long one may take to say what it wants, and how they
//! end. axum's own loop has no limit and no clock (axum#3478).
//!
//! HTTP/1.1 alone, since that is what proxies speak to servers behind them: a peer cannot choose
//! HTTP/2 and its resets.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use rustix::{
    net::sockopt::set_socket_send_buffer_size,
    process::{Resource, getrlimit, setrlimit},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{client::Peer, patience::Impatient};

/// A request's head has this long, and so has a connection between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a request's head; beyond it is a 431.
const LARGEST_HEAD: usize = 32 * 1024;
/// Connections at a time, where the system allows as many files.
const MOST_CONNECTIONS: u64 = 8_192;
/// Files that stay for the database, Stripe and mail.
const OTHER_FILES: u64 = 256;
/// Who takes nothing of an answer for so long is gone, or up to no good.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer that the system keeps for a peer. It takes more only when a third of them are gone,
/// so with as many as it would like a slow reader would look like none.
const SEND_BUFFER: usize = 256 * 1024;
/// When no file is left, one may be free after this.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; from then on takes no connection, and gives those that there are until
/// `grace` is over to finish. Whether all did. `patience` is how long a peer may take nothing of its
/// answer.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
    patience: Duration,
) -> bool {
    let most = most_connections();
    let free = Arc::new(Semaphore::new(most));
    let waiting = Waiting::default();
    let graceful = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    for number in 0.. {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            // Those that ended are forgotten as they end.
            Some(_) = tasks.join_next(), if !tasks.is_empty() => continue,
            accepted = accept(&listener) => accepted,
        };
        let Some((stream, peer)) = accepted else {
            continue;
        };
        if free.available_permits() == 0 {
            waiting.end_oldest();
        }
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = free.clone().acquire_owned() => permit,
        };
        let router = router.clone();
        let heard = waiting.clone();
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            heard.forget(number);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            router.clone().call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(LARGEST_HEAD)
            .serve_connection(TokioIo::new(Impatient::new(stream, patience)), service);
        let connection = graceful.watch(connection);
        let ended = waiting.clone();
        // Held until the task is in the list: it may end before.
        let mut list = waiting.lock();
        let task = tasks.spawn(async move {
            // A peer that breaks off is no fault of ours.
            let _ = connection.await;
            ended.forget(number);
            drop(permit);
        });
        list.insert(number, task);
    }
    drop(listener);
    let deadline = Instant::now() + grace;
    let is_done = tokio::time::timeout_at(deadline, graceful.shutdown())
        .await
        .is_ok();
    tasks.shutdown().await;
    is_done
}

/// `None` when that connection came to nothing.
async fn accept(listener: &TcpListener) -> Option<(TcpStream, Peer)> {
    match listener.accept().await {
        Ok((stream, address)) => {
            // Answers are written whole; waiting for more would only delay them.
            let _ = stream.set_nodelay(true);
            let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
            Some((stream, Peer(address.ip().to_canonical())))
        }
        Err(error) if is_of_that_connection(&error) => None,
        Err(error) => {
            tracing::error!(%error, "no connection can be accepted; the limit of open files may be reached");
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

fn is_of_that_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    )
}

/// Connections that have not said anything yet, by age. When there is no room the oldest of them
/// goes, so that those who say nothing cannot keep out those who do.
#[derive(Clone, Default)]
struct Waiting(Arc<Mutex<BTreeMap<u64, AbortHandle>>>);

impl Waiting {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, number: u64) {
        self.lock().remove(&number);
    }

    fn end_oldest(&self) {
        if let Some((_, task)) = self.lock().pop_first() {
            task.abort();
        }
    }
}

/// Raises the limit of open files as far as the system lets us: services often start with 1,024.
fn most_connections() -> usize {
    let mut files = getrlimit(Resource::Nofile);
    let wanted = MOST_CONNECTIONS + OTHER_FILES;
    if files.current.is_some_and(|current| current < wanted) {
        let raised = rustix::process::Rlimit {
            current: Some(files.maximum.map_or(wanted, |most| most.min(wanted))),
            maximum: files.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            files = raised;
        }
    }
    let most = files
        .current
        .map_or(MOST_CONNECTIONS, |files| files.saturating_sub(OTHER_FILES));
    usize::try_from(most.clamp(16, MOST_CONNECTIONS)).unwrap_or(usize::MAX)
}
