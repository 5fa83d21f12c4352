//! Waits in tokio for a file descriptor that the `host` crate reads.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use tokio::io::unix::AsyncFd;

/// An event source of the `host` crate whose descriptor becomes readable: uevents, folders.
#[derive(Debug)]
pub struct Readable<T: AsFd>(AsyncFd<Fd<T>>);

#[derive(Debug)]
struct Fd<T>(T);

impl<T: AsFd> AsRawFd for Fd<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl<T: AsFd> Readable<T> {
    /// Must be called in a tokio runtime with I/O.
    #[expect(
        deprecated,
        reason = "the successor is unsafe for types that lie about their descriptor; AsFd can't"
    )]
    pub fn new(source: T) -> io::Result<Self> {
        AsyncFd::new(Fd(source)).map(Self)
    }

    /// Waits until there is something to read, then reads all there is with `drain`.
    pub async fn drain<R>(&mut self, drain: impl FnOnce(&mut T) -> R) -> io::Result<R> {
        let mut ready = self.0.readable_mut().await?;
        let drained = drain(&mut ready.get_inner_mut().0);
        ready.clear_ready();
        Ok(drained)
    }
}
