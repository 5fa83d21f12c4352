//! inotify without unsafe paths: watches are put on open descriptors, so what is watched is what was opened.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::HostError;

/// Room for at least 15 events with names of the greatest length.
const BUFFER_BYTES: usize = 4096;

#[derive(Debug)]
pub(crate) struct Inotify(OwnedFd);

impl Inotify {
    /// `path` is what it will be used for, for the error.
    pub(crate) fn new(path: &Path) -> Result<Self, HostError> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|e| explain(path, e))?;
        Ok(Self(fd))
    }

    /// Watches what `opened` is, and returns the number that its events will have. Watching it a second time gives the
    /// same number.
    pub(crate) fn watch(&self, opened: &OwnedFd, path: &Path, events: WatchFlags) -> Result<i32, HostError> {
        let magic = format!("/proc/self/fd/{}", opened.as_raw_fd());
        inotify::add_watch(&self.0, magic, events).map_err(|e| explain(path, e))
    }

    /// Stops a watch, if it has not ended by itself.
    pub(crate) fn unwatch(&self, number: i32) {
        // Fails only where the watch is gone already, which is what is wanted.
        let _ = inotify::remove_watch(&self.0, number);
    }

    /// Reads some events that wait, and calls `each` with the watch's number, what happened, and the name in the folder.
    /// False when there were none.
    pub(crate) fn read(&self, mut each: impl FnMut(i32, ReadFlags, Option<&CStr>)) -> Result<bool, Errno> {
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = Reader::new(&self.0, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => each(event.wd(), event.events(), event.file_name()),
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => continue,
                Err(e) => return Err(e),
            }
            if reader.is_buffer_empty() {
                return Ok(true);
            }
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The two limits have misleading errors of their own: "too many open files" and "no space left on device".
fn explain(path: &Path, error: Errno) -> HostError {
    let advice = match error {
        Errno::MFILE => {
            "too many inotify instances or open files; raise the sysctl fs.inotify.max_user_instances"
        }
        Errno::NOSPC => "too many inotify watches; raise the sysctl fs.inotify.max_user_watches",
        _ => return HostError::new("watch", path, error),
    };
    HostError::new("watch", path, std::io::Error::other(advice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_named() {
        let path = Path::new("/dev/dri");
        let cases =
            [(Errno::MFILE, "fs.inotify.max_user_instances"), (Errno::NOSPC, "fs.inotify.max_user_watches")];
        for (error, limit) in cases {
            let error = explain(path, error);
            assert_eq!(error.to_string(), "cannot watch /dev/dri");
            assert!(error.source.to_string().contains(limit), "{}", error.source);
        }
        assert!(explain(path, Errno::NOENT).is_not_found());
    }
}
