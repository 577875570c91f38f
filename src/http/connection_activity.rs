//! What a connection is doing: who waits for whom, and since when. The connection's parts say it here, and
//! whoever has to make room or to end it reads it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// How long connections may be silent.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// For a request's head, from its first byte, and on a new connection from the beginning.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Before the first byte of a new connection, when the server ends: the request may be on its way.
    pub last: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// No whole head has come yet.
    Asking,
    /// Everything is answered.
    Idle,
    /// A request is being worked on.
    Working,
    /// The peer does not send the rest of a body, or does not take its answer.
    Owing,
}

#[derive(Debug)]
struct State {
    doing: Doing,
    since: Instant,
    /// Whether a byte came since the last request.
    has_spoken: bool,
    /// The answer is complete, and not flushed yet.
    is_answered: bool,
    /// The peer sends a body that nobody reads.
    is_unread: bool,
    /// All is said, and that body is being thrown away.
    is_lingering: bool,
    leaving_since: Option<Instant>,
    /// The stream is to look closed as soon as there is nothing to read.
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

/// Which connections give way first; among equals the one that has waited longest.
pub type Rank = (u8, Instant);

/// How a silent connection ends when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// As if the peer had closed it, unless something has arrived meanwhile.
    Clean,
    /// In the middle of a head.
    Cut,
}

impl ConnectionActivity {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came.
    pub fn heard(&self) {
        let mut state = self.lock();
        state.is_ending = false;
        state.has_spoken = true;
        if state.doing == Doing::Idle {
            state.begin(Doing::Asking);
        }
    }

    /// A request came.
    pub fn works(&self) {
        let mut state = self.lock();
        state.is_answered = false;
        state.begin(Doing::Working);
    }

    /// Whether the peer keeps the request waiting.
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

    /// Whether the peer may still be sending what nobody reads.
    pub fn is_unread(&self) -> bool {
        self.lock().is_unread
    }

    /// From now on what comes is thrown away.
    pub fn lingers(&self) {
        self.lock().is_lingering = true;
    }

    /// All that was written has left.
    pub fn flushed(&self) {
        let mut state = self.lock();
        if state.is_answered {
            state.is_answered = false;
            state.has_spoken = false;
            state.begin(Doing::Idle);
        }
    }

    /// Ends the connection once it is idle. What comes until then is answered.
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

    /// Whether it ends at once, so that its place is as good as free. One whose peer still sends what was
    /// refused stays for a while, and so does one that asks again.
    pub fn is_going(&self) -> bool {
        let state = self.lock();
        state.leaving_since.is_some() && state.is_idle()
    }

    pub fn is_ending(&self) -> bool {
        self.lock().is_ending
    }

    /// Whether it is idle, which is ended by [`ConnectionActivity::leave`] without a loss.
    pub fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Its place among those that give way; `None` when something is being done for it.
    pub fn rank(&self, young: Duration) -> Option<Rank> {
        let state = self.lock();
        let is_young = state.since.elapsed() < young;
        match state.doing {
            Doing::Working => None,
            // It may just be about to ask.
            Doing::Asking if is_young => Some((1, state.since)),
            Doing::Asking | Doing::Idle => Some((0, state.since)),
            Doing::Owing => Some((1, state.since)),
        }
    }

    /// When the connection ends if nothing happens, and how.
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

/// A request's body that says when it is waited for, and when nobody wants the rest.
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

/// An answer's body that says when it is complete.
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
