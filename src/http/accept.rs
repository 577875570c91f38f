//! Connections: how many there may be, how long one may take to say what it wants, and how they
//! end. axum's own loop has no limit and no clock (axum#3478).
//!
//! HTTP/1.1 alone, since that is what proxies speak to servers behind them: a peer cannot choose
//! HTTP/2 and its resets.

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

/// A request's head has [`Silence::head`]. Between two requests a connection may be silent for longer than
/// proxies keep theirs (nginx 60 seconds, Traefik 90, Caddy 120, Google's load balancers 600): if we closed it first, a
/// request could be on its way. Idle ones give way when there is no place left.
const SILENCE: Silence = Silence {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(620),
    last: Duration::from_secs(1),
};
/// Bytes of a request's head; beyond it is a 431.
const LARGEST_HEAD: usize = 32 * 1024;
/// Connections at a time, where the system allows as many files.
const MOST_CONNECTIONS: u64 = 8_192;
/// Files that stay for the database, Stripe and mail.
const OTHER_FILES: u64 = 256;
/// Who takes nothing of an answer for so long is gone, or up to no good.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer that the system keeps for a peer. It takes more only when a third of them are gone,
/// so with as many as it would like a slow reader would look like none.
const SEND_BUFFER: usize = 256 * 1024;
/// When no file is left, one may be free after this.
const PAUSE: Duration = Duration::from_millis(100);
/// Those who connected before the server stopped listening are found in this time.
const LAST_LOOK: Duration = Duration::from_millis(10);
/// Seconds between two lines about the same shortage.
const SAY_EVERY: i64 = 60;

/// What connections may do.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time.
    pub places: usize,
    /// Proxies of ours, which may have all of them.
    pub trusted: Vec<IpNet>,
    pub silence: Silence,
    /// How long a peer may take nothing of its answer.
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

/// Serves until `stop`; from then on takes no connection, and gives those that there are until
/// `grace` is over to finish. Whether all did.
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
            // Those that ended are forgotten as they end.
            Some(_) = server.tasks.join_next(), if !server.tasks.is_empty() => continue,
            accepted = accept(&listener, began) => accepted,
        };
        let Some((stream, peer)) = accepted else {
            continue;
        };
        tokio::select! {
            // Where there is room it is not turned away.
            biased;
            () = server.start(stream, peer) => {}
            () = stop.cancelled() => break,
        }
    }
    server.places.close();
    // They were let in by the system already, and may have asked.
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

/// `None` when that connection came to nothing.
async fn accept(listener: &TcpListener, began: Instant) -> Option<(TcpStream, Peer)> {
    match listener.accept().await {
        Ok((stream, address)) => {
            // Answers are written whole; waiting for more would only delay them.
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
    /// Runs a connection, as soon as there is room for it.
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
                // Also when the connection's task breaks off.
                let _entry = Entry(ended, number);
                connection.await;
                drop(permit);
            })
        });
    }
}

/// A connection in the list of places. Dropped, it is in there no more.
struct Entry(Places, u64);

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

/// Speaks HTTP on a stream until it ends.
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
        // See [`Watched`], which can tell heads from idle connections.
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

/// A connection that ends when it is silent for too long.
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
        // A peer that breaks off is no fault of ours.
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
