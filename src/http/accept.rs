//! Accepts connections: connection limit, slowloris protection (timeouts for slow and silent peers), backpressure and graceful
//! shutdown. axum's own accept loop has neither a limit nor a timeout (axum#3478).
//!
//! HTTP/1.1 only, which proxies speak to the servers behind them. A peer cannot choose HTTP/2 and its resets (rapid reset attack).

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
};
use futures::FutureExt;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use rustix::{
    net::sockopt::set_socket_send_buffer_size,
    process::{Resource, getrlimit, setrlimit},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, Sleep},
};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{
    client::Peer,
    connection_activity::{Answer, Asked, ConnectionActivity, End, Silence},
    connection_limit::Places,
    write_timeout::WriteTimeout,
};
use crate::log_throttle::LogThrottle;

/// Timeouts against slowloris. A request's head has [`Silence::head`]. The keep-alive timeout (idle between two requests) is longer
/// than that of proxies (nginx 60 seconds, Traefik 90, Caddy 120, Google's load balancers 600): if we closed first, a request
/// could be on its way. When the connection limit is reached, idle connections are closed.
const SILENCE: Silence = Silence {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(620),
    last: Duration::from_secs(1),
};
/// Maximum size of a request's head in bytes. Larger ones get 431.
const LARGEST_HEAD: usize = 32 * 1024;
/// Maximum number of connections, if the limit of open files allows it.
const MOST_CONNECTIONS: u64 = 8_192;
/// File descriptors reserved for the database, Stripe and mail.
const OTHER_FILES: u64 = 256;
/// Write timeout: a peer that reads nothing of its response for this long is gone, or an attacker (slow read).
const PATIENCE: Duration = Duration::from_secs(30);
/// Socket send buffer in bytes. The kernel reports the socket as writable only when a third of the buffer is free. With the
/// kernel's own, larger size a slow reader would look like a peer that reads nothing.
const SEND_BUFFER: usize = 256 * 1024;
/// Delay before the next accept after a failure: a file descriptor may be free by then.
const PAUSE: Duration = Duration::from_millis(100);
/// Time to accept the connections that are already in the kernel's backlog when the server stops.
const LAST_LOOK: Duration = Duration::from_millis(10);
/// Seconds between two log lines about the same shortage.
const SAY_EVERY: i64 = 60;

/// Limits and timeouts of connections.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum number of connections.
    pub places: usize,
    /// Our own proxies. The limit per peer does not apply to them.
    pub trusted: Vec<IpNet>,
    pub silence: Silence,
    /// Write timeout: how long a peer may read nothing of its response.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            places: most_connections(),
            trusted: Vec::new(),
            silence: SILENCE,
            patience: PATIENCE,
        }
    }
}

/// Serves until `stop`. Then shuts down gracefully: accepts no more connections, and gives open ones until `grace` is over to
/// finish. Returns whether all finished in time.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
    limits: Limits,
) -> bool {
    let began = Instant::now();
    let mut server = Server {
        places: Places::new(limits.places, &limits.trusted),
        tasks: JoinSet::new(),
        next: 0,
        began,
        router,
        limits,
    };
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            // Reaps tasks as their connections end.
            Some(_) = server.tasks.join_next(), if !server.tasks.is_empty() => continue,
            accepted = accept(&listener, began) => accepted,
        };
        let Some((stream, peer)) = accepted else {
            continue;
        };
        tokio::select! {
            // `biased`: if there is room, a stop must not drop a connection that is already accepted.
            biased;
            () = server.start(stream, peer) => {}
            () = stop.cancelled() => break,
        }
    }
    server.places.close();
    // The kernel has accepted these already, and they may have sent a request.
    while let Ok(Some((stream, peer))) =
        tokio::time::timeout(LAST_LOOK, accept(&listener, began)).await
    {
        if server.start(stream, peer).now_or_never().is_none() {
            break;
        }
    }
    drop(listener);
    let deadline = Instant::now() + grace;
    let ended = async { while server.tasks.join_next().await.is_some() {} };
    let is_done = tokio::time::timeout_at(deadline, ended).await.is_ok();
    server.tasks.shutdown().await;
    is_done
}

/// `None` if the connection failed before it was accepted.
async fn accept(listener: &TcpListener, began: Instant) -> Option<(TcpStream, Peer)> {
    match listener.accept().await {
        Ok((stream, address)) => {
            // Nagle's algorithm would only add latency: responses are written in one piece.
            let _ = stream.set_nodelay(true);
            let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER);
            Some((stream, Peer(address.ip().to_canonical())))
        }
        Err(error) if is_of_that_connection(&error) => None,
        Err(error) => {
            static REFUSED: LogThrottle = LogThrottle::new(SAY_EVERY);
            if let Some(count) = REFUSED.count(seconds_since(began)) {
                tracing::error!(%error, count, "no connection can be accepted; the limit of open files may be reached");
            }
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

fn seconds_since(began: Instant) -> i64 {
    i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX)
}

struct Server {
    places: Places,
    tasks: JoinSet<()>,
    next: u64,
    began: Instant,
    router: Router,
    limits: Limits,
}

impl Server {
    /// Starts a connection's task. Waits while there is no room for it, so that accepting stops (backpressure).
    async fn start(&mut self, stream: TcpStream, peer: Peer) {
        if !self.places.admits(peer.0) {
            static CAPPED: LogThrottle = LogThrottle::new(SAY_EVERY);
            if let Some(count) = CAPPED.count(seconds_since(self.began)) {
                tracing::warn!(
                    count,
                    peer = %peer.0,
                    "connections were refused, since one address has all that it may have; if it is a proxy of yours, name it in TRUSTED_PROXIES"
                );
            }
            return;
        }
        let Some(permit) = self.places.take().await else {
            return;
        };
        self.next += 1;
        let number = self.next;
        let pulse = Arc::new(ConnectionActivity::default());
        let connection = connection(
            stream,
            peer,
            self.router.clone(),
            pulse.clone(),
            &self.limits,
        );
        let (places, tasks) = (&self.places, &mut self.tasks);
        let ended = places.clone();
        places.put(number, peer.0, pulse, || {
            tasks.spawn(async move {
                // Dropped also when the connection's task panics or is aborted.
                let _entry = Entry(ended, number);
                connection.await;
                drop(permit);
            })
        });
    }
}

/// An entry in the list of connections. Dropping it removes the entry.
struct Entry(Places, u64);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

/// Serves HTTP on a stream until it ends.
fn connection(
    stream: TcpStream,
    peer: Peer,
    router: Router,
    pulse: Arc<ConnectionActivity>,
    limits: &Limits,
) -> impl Future<Output = ()> + use<> {
    let stream = WriteTimeout::new(stream, limits.patience, pulse.clone());
    let heard = pulse.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        heard.works();
        let pulse = heard.clone();
        let mut request = request.map(|body| Body::new(Asked::new(body, pulse.clone())));
        request.extensions_mut().insert(peer);
        let answer = router.clone().call(request);
        async move {
            let mut answer = answer.await?;
            if pulse.is_leaving() {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, Infallible>(answer.map(|body| Answer::new(body, pulse)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // [`Watched`] has its own timeouts, since it can tell an unfinished head from an idle connection.
        .header_read_timeout(None)
        .max_header_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    Watched {
        connection: Box::pin(connection),
        pulse,
        silence: limits.silence,
        timer: Box::pin(tokio::time::sleep(limits.silence.head)),
    }
}

/// A connection with timeouts: ends when the peer is silent for too long (slowloris).
struct Watched<C> {
    connection: Pin<Box<C>>,
    pulse: Arc<ConnectionActivity>,
    silence: Silence,
    timer: Pin<Box<Sleep>>,
}

impl<C: Future> Future for Watched<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.pulse.wake_by(context.waker());
        // A peer that disconnects is not an error of ours.
        if self.connection.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Some((due, end)) = self.pulse.due(self.silence) else {
            return Poll::Pending;
        };
        if self.timer.deadline() != due {
            self.timer.as_mut().reset(due);
        }
        if self.timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        if end == End::Cut {
            return Poll::Ready(());
        }
        self.pulse.end();
        self.connection.as_mut().poll(context).map(drop)
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

/// Raises the limit of open files as far as the system allows: services often start with 1,024.
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
