//! A stream whose client must get on with what it began.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::PATIENCE;
use super::connections::Activity;
use crate::review::MAX_BODY;

/// Bytes that are read, at most, only to have a client see the answer.
const MAX_DRAINED: usize = 4 * MAX_BODY;

/// A stream of HTTP/1.1, where a request does not overlap with the answer to another. It fails when a request is not there, or
/// its answer not taken, [`PATIENCE`] after its first byte came.
///
/// Between requests, a client may say nothing for as long as it likes. The stream seems to be at its end then, so that its
/// reader ends: it [rests](Self::rests), and [waits](Self::wait) for more.
///
/// A timer is set only when a client is waited for in the middle of a request.
pub(super) struct Patience<S> {
    stream: S,
    activity: Arc<Activity>,
    phase: Phase,
    timer: Option<Pin<Box<Sleep>>>,
}

enum Phase {
    /// The last request was answered.
    Idle,
    /// The reader was told that this is the end.
    Resting,
    /// The first byte of a request came then.
    Asked(Instant),
    /// Some of the answer to it was written.
    Answering(Instant),
    /// All is said; so many bytes are still read.
    Draining(Instant, usize),
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Patience<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, phase: Phase::Resting, timer: None }
    }

    /// Whether the end of the stream that was just read was none.
    pub(super) fn rests(&self) -> bool {
        matches!(self.phase, Phase::Resting)
    }

    /// Waits for more; `false` is the end.
    pub(super) async fn wait(&mut self) -> io::Result<bool> {
        self.timer = None;
        let more = !self.stream.fill_buf().await?.is_empty();
        self.phase = Phase::Asked(Instant::now());
        Ok(more)
    }

    /// Closes a stream that rests.
    pub(super) async fn close(mut self) -> io::Result<()> {
        tokio::time::timeout(PATIENCE, self.stream.shutdown()).await?
    }

    /// Whether the client made us wait for too long.
    fn overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (Phase::Asked(since) | Phase::Answering(since) | Phase::Draining(since, _)) = self.phase else {
            return Poll::Ready(());
        };
        let deadline = since + PATIENCE;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(cx)
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = write(Pin::new(&mut self.stream), cx);
        if written.is_pending() {
            return self.overdue(cx).map(|()| Err(ErrorKind::TimedOut.into()));
        }
        self.phase = match self.phase {
            Phase::Asked(since) | Phase::Answering(since) => Phase::Answering(since),
            _ => Phase::Answering(Instant::now()),
        };
        written
    }

    /// Reads what the client sends, so that it can send all of it and then read the answer: closing a socket with something
    /// unread in it makes the kernel drop what the client has not read yet.
    fn drain(&mut self, cx: &mut Context<'_>, since: Instant, mut left: usize) -> Poll<io::Result<()>> {
        while left > 0 {
            let Poll::Ready(read) = Pin::new(&mut self.stream).poll_fill_buf(cx) else {
                self.phase = Phase::Draining(since, left);
                return self.overdue(cx).map(Ok);
            };
            let length = read.map_or(0, <[u8]>::len);
            if length == 0 {
                break;
            }
            Pin::new(&mut self.stream).consume(length);
            left = left.saturating_sub(length);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        match (&read, &this.phase) {
            (Poll::Pending, Phase::Idle | Phase::Resting) => {
                this.phase = Phase::Resting;
                Poll::Ready(Ok(()))
            }
            (Poll::Pending, _) => this.overdue(cx).map(|()| Err(ErrorKind::TimedOut.into())),
            (Poll::Ready(Ok(())), Phase::Idle) if buffer.filled().len() > before => {
                this.phase = Phase::Asked(Instant::now());
                read
            }
            _ => read,
        }
    }
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        match (&flushed, &this.phase) {
            (Poll::Pending, _) => this.overdue(cx).map(|()| Err(ErrorKind::TimedOut.into())),
            (Poll::Ready(Ok(())), Phase::Answering(_)) => {
                this.phase = Phase::Idle;
                flushed
            }
            _ => flushed,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.phase {
            // It is not the end.
            Phase::Resting => return Poll::Ready(Ok(())),
            Phase::Draining(since, left) => return this.drain(cx, since, left),
            _ => {}
        }
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        if this.activity.is_unread() {
            this.drain(cx, Instant::now(), MAX_DRAINED)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}
