//! A range of a file that is read as if it were one.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use crate::error::Fault;

/// Where something lies in a file, in bytes. Made only of ranges that the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) start: u64,
    pub(crate) len: u64,
}

/// A part of an open file. Reading it moves nothing that others see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) file: &'a File,
    pub(crate) extent: Extent,
    read: u64,
}

impl<'a> Part<'a> {
    pub(crate) fn new(file: &'a File, extent: Extent) -> Self {
        Self { file, extent, read: 0 }
    }

    /// The part of this one that `len` bytes from `offset` on are.
    pub(crate) fn part(&self, offset: u64, len: u64, what: &str) -> Result<Self, Fault> {
        let end = offset.checked_add(len).filter(|end| *end <= self.extent.len);
        let start = self.extent.start.checked_add(offset);
        let (Some(_), Some(start)) = (end, start) else {
            let (expected, found) = (format!("{what} within {} bytes", self.extent.len), range(offset, len));
            return Err(Fault::malformed(self.extent.start, expected, found));
        };
        Ok(Self::new(self.file, Extent { start, len }))
    }

    /// All bytes; there must not be more than `most`.
    pub(crate) fn bytes(mut self, most: u64, what: &str) -> Result<Vec<u8>, Fault> {
        let Extent { start, len } = self.extent;
        let size = usize::try_from(len).ok().filter(|_| len <= most);
        let Some(size) = size else {
            return Err(Fault::malformed(start, format!("{what} of at most {most} bytes"), len.to_string()));
        };
        let mut bytes = vec![0; size];
        self.read_exact(&mut bytes).map_err(|error| Fault::reading(error, start, what))?;
        Ok(bytes)
    }
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.extent.len - self.read).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let count = self.file.read_at(buffer, self.extent.start + self.read)?;
        self.read += count as u64;
        Ok(count)
    }
}

fn range(offset: u64, len: u64) -> String {
    format!("{len} bytes from byte {offset} of it on")
}
