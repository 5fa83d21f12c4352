//! Writes that do not do what they should.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

/// What is to become of some writes.
#[derive(Debug)]
pub(super) struct Fault {
    /// How their paths, or `PATH=VALUE`, end.
    end: String,
    /// How many such writes go well before.
    after: usize,
    is_once: bool,
    /// The kernel's error; `None`: nothing happens.
    error: Option<ErrorKind>,
}

impl Fault {
    /// All such writes fail, or do nothing.
    pub(super) fn of_all(end: &str, error: Option<ErrorKind>) -> Self {
        Self { end: end.to_owned(), after: 0, is_once: false, error }
    }

    /// Only the one after so many fails.
    pub(super) fn of_one(end: &str, after: usize, error: ErrorKind) -> Self {
        Self { end: end.to_owned(), after, is_once: true, error: Some(error) }
    }
}

/// What becomes of a write to `path`, which is `line` with its value, because of a fault; `None` if there is none.
pub(super) fn answer(faults: &mut Vec<Fault>, path: &str, line: &str) -> Option<io::Result<()>> {
    let mut struck = None;
    for (index, fault) in faults.iter_mut().enumerate() {
        if !path.ends_with(&fault.end) && !line.ends_with(&fault.end) {
            continue;
        }
        match fault.after.checked_sub(1) {
            Some(after) => fault.after = after,
            None if struck.is_none() => struck = Some((index, fault.is_once, fault.error)),
            None => {}
        }
    }
    let (index, is_once, error) = struck?;
    if is_once {
        faults.remove(index);
    }
    Some(error.map_or(Ok(()), |error| Err(number_of(error))))
}

/// The kernel's errors are numbers.
fn number_of(kind: ErrorKind) -> io::Error {
    let number = match kind {
        ErrorKind::InvalidInput => Errno::INVAL,
        ErrorKind::PermissionDenied => Errno::ACCESS,
        ErrorKind::ReadOnlyFilesystem => Errno::ROFS,
        ErrorKind::ResourceBusy => Errno::BUSY,
        kind => return kind.into(),
    };
    number.into()
}
