//! The state of a connection: whether the server or the peer has to act next, and since when. The parts of a connection update it.
//! Timeouts and the connection limit read it to choose which connection to close (slowloris protection).

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// Timeouts for silent connections.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// For a request's head: from its first byte, or on a new connection from the start (slowloris).
    pub head: Duration,
    /// Keep-alive timeout between two requests.
    pub idle: Duration,
    /// During shutdown, for the first byte of a new connection: the request may be on its way.
    pub last: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// No complete head has arrived yet.
    Asking,
    /// All requests are answered.
    Idle,
    /// The server handles a request.
    Working,
    /// The peer does not send the rest of a body, or does not read its response.
    Owing,
}

#[derive(Debug)]
struct State {
    doing: Doing,
    since: Instant,
    /// Whether a byte has arrived since the last request.
    has_spoken: bool,
    /// The response is complete but not flushed yet.
    is_answered: bool,
    /// The peer sends a body that no handler reads.
    is_unread: bool,
    /// The response is sent, and the rest of that body is being discarded.
    is_lingering: bool,
    leaving_since: Option<Instant>,
    /// The stream reports end of file as soon as there is nothing to read.
    is_ending: bool,
    waker: Option<Waker>,
}

/// The state of one connection.
#[derive(Debug)]
pub struct ConnectionActivity(Mutex<State>);

impl Default for ConnectionActivity {
    fn default() -> ConnectionActivity {
        ConnectionActivity(Mutex::new(State {
            doing: Doing::Asking,
            since: Instant::now(),
            has_spoken: false,
            is_answered: false,
            is_unread: false,
            is_lingering: false,
            leaving_since: None,
            is_ending: false,
            waker: None,
        }))
    }
}

/// Order in which connections are closed to make room: lower first; among equals, the one that has waited longest.
pub type Rank = (u8, Instant);

/// How a connection ends when its timeout expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As if the peer had closed it, unless data has arrived meanwhile.
    Clean,
    /// Closed in the middle of a request's head.
    Cut,
}

impl ConnectionActivity {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes have arrived.
    pub fn heard(&self) {
        let mut state = self.lock();
        state.is_ending = false;
        state.has_spoken = true;
        if state.doing == Doing::Idle {
            state.begin(Doing::Asking);
        }
    }

    /// A request's head has arrived.
    pub fn works(&self) {
        let mut state = self.lock();
        state.is_answered = false;
        state.begin(Doing::Working);
    }

    /// Sets whether the server waits for the peer in the middle of a request.
    pub fn owes(&self, does: bool) {
        let mut state = self.lock();
        match (state.doing, does) {
            (Doing::Working, true) => state.begin(Doing::Owing),
            (Doing::Owing, false) => state.begin(Doing::Working),
            _ => {}
        }
    }

    fn answered(&self) {
        self.lock().is_answered = true;
    }

    fn unread(&self) {
        self.lock().is_unread = true;
    }

    /// Whether the peer may still be sending a body that no handler reads.
    pub fn is_unread(&self) -> bool {
        self.lock().is_unread
    }

    /// From now on, incoming bytes are discarded.
    pub fn lingers(&self) {
        self.lock().is_lingering = true;
    }

    /// All written bytes are flushed.
    pub fn flushed(&self) {
        let mut state = self.lock();
        if state.is_answered {
            state.is_answered = false;
            state.has_spoken = false;
            state.begin(Doing::Idle);
        }
    }

    /// Closes the connection once it is idle. Requests that arrive until then are answered.
    pub fn leave(&self) {
        let mut state = self.lock();
        state.leaving_since.get_or_insert_with(Instant::now);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    pub fn is_leaving(&self) -> bool {
        self.lock().leaving_since.is_some()
    }

    /// Whether the connection is about to end, so that its place counts as free. False while its peer still sends a refused body, or
    /// sends another request.
    pub fn is_going(&self) -> bool {
        let state = self.lock();
        state.leaving_since.is_some() && state.is_idle()
    }

    pub fn is_ending(&self) -> bool {
        self.lock().is_ending
    }

    /// Whether it is idle, so that [`ConnectionActivity::leave`] can close it without losing a request.
    pub fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Its rank among the connections that can be closed; `None` while the server handles a request.
    pub fn rank(&self, young: Duration) -> Option<Rank> {
        let state = self.lock();
        let is_young = state.since.elapsed() < young;
        match state.doing {
            Doing::Working => None,
            // A new connection may be about to send its request.
            Doing::Asking if is_young => Some((1, state.since)),
            Doing::Asking | Doing::Idle => Some((0, state.since)),
            Doing::Owing => Some((1, state.since)),
        }
    }

    /// When the connection times out, and how it ends then.
    pub fn due(&self, silence: Silence) -> Option<(Instant, End)> {
        let state = self.lock();
        match (state.doing, state.leaving_since) {
            (Doing::Asking, _) if state.has_spoken => Some((state.since + silence.head, End::Cut)),
            (Doing::Asking, None) => Some((state.since + silence.head, End::Clean)),
            (Doing::Asking, Some(left)) => {
                let first = (state.since + silence.head).min(left + silence.last);
                Some((first, End::Clean))
            }
            (Doing::Idle, None) => Some((state.since + silence.idle, End::Clean)),
            (Doing::Idle, Some(left)) => Some((left, End::Clean)),
            (Doing::Working | Doing::Owing, _) => None,
        }
    }

    pub fn end(&self) {
        self.lock().is_ending = true;
    }

    pub fn wake_by(&self, waker: &Waker) {
        let mut state = self.lock();
        if !state.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            state.waker = Some(waker.clone());
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.doing == Doing::Idle && !self.is_lingering
    }

    fn begin(&mut self, doing: Doing) {
        self.doing = doing;
        self.since = Instant::now();
    }
}

/// A request's body that records when the server waits for it, and whether it was dropped before its end.
#[derive(Debug)]
pub struct Asked<B> {
    body: B,
    pulse: Arc<ConnectionActivity>,
    is_awaited: bool,
    is_whole: bool,
}

impl<B: HttpBody> Asked<B> {
    pub fn new(body: B, pulse: Arc<ConnectionActivity>) -> Asked<B> {
        Asked {
            is_whole: body.is_end_stream(),
            is_awaited: false,
            body,
            pulse,
        }
    }
}

impl<B: HttpBody + Unpin> HttpBody for Asked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_pending() != self.is_awaited {
            self.is_awaited = polled.is_pending();
            self.pulse.owes(self.is_awaited);
        }
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_whole = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Asked<B> {
    fn drop(&mut self) {
        if !self.is_whole {
            self.pulse.unread();
        }
        if self.is_awaited {
            self.pulse.owes(false);
        }
    }
}

/// A response's body that records when it is complete.
#[derive(Debug)]
pub struct Answer {
    body: Body,
    pulse: Arc<ConnectionActivity>,
}

impl Answer {
    pub fn new(body: Body, pulse: Arc<ConnectionActivity>) -> Answer {
        Answer { body, pulse }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pulse.answered();
    }
}
