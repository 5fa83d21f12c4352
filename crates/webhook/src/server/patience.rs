//! A stream whose client must get on with what it began.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::PATIENCE;
use super::connections::Activity;
use crate::review::MAX_BODY;

/// Bytes that are read, at most, only to have a client see the answer.
const MAX_LEFT: usize = 4 * MAX_BODY;

/// Fails when a request is not read, or its answer not taken, [`PATIENCE`] after its first byte came. A client may say
/// nothing between requests for as long as it likes. For HTTP/1.1: a request and its answer do not overlap with others.
///
/// A timer runs only while a client is waited for in the middle of a request, which most requests never do.
pub(super) struct Patience<S> {
    stream: S,
    activity: Arc<Activity>,
    /// When the first byte of the request came that is not answered yet.
    began: Option<Instant>,
    /// Some of its answer was written.
    answering: bool,
    timer: Option<Pin<Box<Sleep>>>,
    /// After the shutdown: bytes that may still be read.
    left: Option<usize>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Patience<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, began: None, answering: false, timer: None, left: None }
    }

    /// Whether the client made us wait for too long.
    fn check(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(began) = self.began else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(began + PATIENCE)));
        if timer.deadline() != began + PATIENCE {
            timer.as_mut().reset(began + PATIENCE);
        }
        timer.as_mut().poll(cx).map(|()| ErrorKind::TimedOut.into())
    }

    fn wrote(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                self.answering = true;
                Poll::Ready(written)
            }
            Poll::Pending => self.check(cx).map(Err),
        }
    }

    /// Reads what the client sends, so that it can send all of it and then read the answer: closing a socket with something
    /// unread in it makes the kernel drop what the client has not read yet.
    fn drain(&mut self, cx: &mut Context<'_>, mut left: usize) -> Poll<io::Result<()>> {
        let mut room = [0; 4096];
        while left > 0 {
            let mut buffer = ReadBuf::new(&mut room);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    left = left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    self.left = Some(left);
                    return self.check(cx).map(Err);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                if this.began.is_none() && buffer.filled().len() > before {
                    this.began = Some(Instant::now());
                    this.answering = false;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.check(cx).map(Err),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.wrote(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                if this.answering {
                    this.began = None;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.check(cx).map(Err),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(left) = this.left {
            return this.drain(cx, left);
        }
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        if !this.activity.is_unread() {
            return Poll::Ready(Ok(()));
        }
        this.began = Some(Instant::now());
        this.drain(cx, MAX_LEFT)
    }
}
