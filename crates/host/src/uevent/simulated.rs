//! Uevents of a simulated node: a file that grows.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::WatchFlags;
use rustix::fs::{self as rfs, OFlags};
use rustix::io::{self as rio, Errno};

use super::{Drained, SIMULATED_FILE, Uevent};
use crate::inotify::Inotify;
use crate::{Host, HostError};

/// More than this at once, or in one record, counts as lost. The real socket does not hold more either.
const MOST_BYTES: u64 = 256 * 1024;

#[derive(Debug)]
pub(super) struct Log {
    file: OwnedFd,
    inotify: Inotify,
    /// Up to where the file has been read.
    offset: u64,
    /// The beginning of a record that is not complete yet.
    rest: Vec<u8>,
}

impl Log {
    pub(super) fn open(host: &Host) -> Result<Self, HostError> {
        let path = Path::new(SIMULATED_FILE);
        let file = open(host)?;
        let inotify = Inotify::new(path)?;
        inotify.watch(&file, path, WatchFlags::MODIFY | WatchFlags::ATTRIB)?;
        // The watch comes first: what is appended after this line raises an event.
        let offset = rfs::fstat(&file).map_err(fail)?.st_size.cast_unsigned();
        Ok(Self { file, inotify, offset, rest: Vec::new() })
    }

    pub(super) fn drain(&mut self) -> Result<Drained, HostError> {
        while self.inotify.read(|_, _, _| {}).map_err(fail)? {}
        let stat = rfs::fstat(&self.file).map_err(fail)?;
        if stat.st_nlink == 0 {
            return Err(fail(Errno::NOENT));
        }
        let mut drained = Drained::default();
        let end = stat.st_size.cast_unsigned();
        let unread = end.checked_sub(self.offset);
        if unread.is_none_or(|unread| unread + self.rest.len() as u64 > MOST_BYTES) {
            drained.lost = true;
            self.rest.clear();
            self.offset = end;
        }
        self.read_on()?;
        while let Some(end) = self.rest.windows(2).position(|pair| pair == b"\0\0") {
            let record: Vec<u8> = self.rest.drain(..end + 2).collect();
            match Uevent::parse(&record) {
                Some(event) => drained.events.push(event),
                None => drained.lost = true,
            }
        }
        Ok(drained)
    }

    fn read_on(&mut self) -> Result<(), HostError> {
        let mut buffer = [0; 4096];
        loop {
            let read = match rio::pread(&self.file, &mut buffer, self.offset) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(Errno::INTR) => continue,
                Err(e) => return Err(fail(e)),
            };
            self.rest.extend(buffer.iter().take(read));
            self.offset += read as u64;
        }
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// It is made if need be.
pub(super) fn open(host: &Host) -> Result<OwnedFd, HostError> {
    host.open_plain(Path::new(SIMULATED_FILE), OFlags::RDONLY | OFlags::CREATE)
}

fn fail(error: Errno) -> HostError {
    HostError::new("follow", Path::new(SIMULATED_FILE), error)
}
