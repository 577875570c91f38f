//! The stream of a connection, with a write timeout: closes a connection whose peer reads nothing of its response. Without it, a
//! peer that never reads (slow read, the counterpart of slowloris) would hold the connection and the response's memory for as long
//! as it likes. The stream also reports end of file only when no bytes are waiting, so that a closing connection does not lose a request.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

use super::connection_activity::ConnectionActivity;

/// How long the rest of a refused body is read and discarded. If it were left unread, the kernel would reset the connection, and the
/// peer might never receive the response (lingering close).
const LINGER: Duration = Duration::from_secs(3);
/// Maximum number of bytes to discard.
const MOST_UNREAD: usize = 4 * 1024 * 1024;

/// A stream whose writes time out if the peer reads nothing.
#[derive(Debug)]
pub struct WriteTimeout {
    stream: TcpStream,
    patience: Duration,
    pulse: Arc<ConnectionActivity>,
    /// The write timeout; set while a write waits for the peer.
    limit: Option<Pin<Box<Sleep>>>,
    /// The timeout for lingering; set while the rest of a body is discarded.
    linger: Option<Pin<Box<Sleep>>>,
    thrown_away: usize,
}

impl WriteTimeout {
    pub fn new(
        stream: TcpStream,
        patience: Duration,
        pulse: Arc<ConnectionActivity>,
    ) -> WriteTimeout {
        WriteTimeout {
            stream,
            patience,
            pulse,
            limit: None,
            linger: None,
            thrown_away: 0,
        }
    }

    fn judge<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if self.limit.take().is_some() {
                self.pulse.owes(false);
            }
            return polled;
        }
        let patience = self.patience;
        if self.limit.is_none() {
            self.pulse.owes(true);
        }
        let limit = self
            .limit
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        limit
            .as_mut()
            .poll(context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether bytes have arrived that are not read yet. Asks the kernel, since the runtime may not know of them yet.
    fn has_unread(&self) -> bool {
        rustix::io::ioctl_fionread(&self.stream).is_ok_and(|bytes| bytes > 0)
    }

    fn throw_away(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let linger = self
            .linger
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if linger.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut bytes = [0; 8 * 1024];
        while self.thrown_away < MOST_UNREAD {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer));
            let count = buffer.filled().len();
            if read.is_err() || count == 0 {
                break;
            }
            self.thrown_away += count;
        }
        Poll::Ready(())
    }
}

impl AsyncRead for WriteTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pulse.heard();
        } else if polled.is_pending() && self.pulse.is_ending() && !self.has_unread() {
            return Poll::Ready(Ok(()));
        }
        polled
    }
}

impl AsyncWrite for WriteTimeout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if polled.is_ready() {
            self.pulse.flushed();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = match self.linger {
            Some(_) => Ok(()),
            None => ready!(Pin::new(&mut self.stream).poll_shutdown(context)),
        };
        if shut.is_ok() && self.pulse.is_unread() {
            self.pulse.lingers();
            ready!(self.throw_away(context));
        }
        Poll::Ready(shut)
    }
}
