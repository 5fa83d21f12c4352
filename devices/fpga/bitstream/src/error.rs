//! What can be wrong with a bitstream, and with the store.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::id::{BadId, BadName, Id, Name};

/// Of what was found, so many bytes are shown.
const MAX_SHOWN: usize = 200;

/// A bitstream cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or folder cannot be opened, read or written.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// What it was tried on.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The name has no extension that says what is in the file.
    #[error("{} is no bitstream: the name of one ends in .gbs or .aocx", .0.display())]
    Extension(PathBuf),
    /// The file's content is not what its format says.
    #[error("{} is no good bitstream: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        problem: Malformed,
    },
    /// The text is no id.
    #[error(transparent)]
    Id(#[from] BadId),
    /// The text is no name of a bitstream.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The store has no bitstreams for the interface.
    #[error("no bitstreams for interface {interface} in {}, which has {known}", store.display())]
    NoInterface {
        /// The store's folder.
        store: PathBuf,
        /// What was asked for.
        interface: Id,
        /// The interfaces that there are.
        known: Listing,
    },
    /// The store has bitstreams for the interface, but not this one.
    #[error("no bitstream {name}.gbs or {name}.aocx in {}, which has {known}", folder.display())]
    NoBitstream {
        /// The interface's folder.
        folder: PathBuf,
        /// What was asked for.
        name: Name,
        /// The files that there are.
        known: Listing,
    },
    /// A file lies in the store under a name that is not its own.
    #[error("{} is in the wrong place: its {what} is {found}; install it anew", path.display())]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// Which of the file's ids it is.
        what: &'static str,
        /// What the file says.
        found: String,
    },
    /// An AOCX without a hash has no name in the store.
    #[error("{} has no hash (section .acl.rand_hash), so it has no place in a store", .0.display())]
    Nameless(PathBuf),
    /// There is a file of that name, and nobody said that it should be replaced.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
}

/// What of a file is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {offset}{}, found {found}", if *.unpacked { " of the unpacked .acl.gbs.gz" } else { "" })]
pub struct Malformed {
    /// Where, in bytes from the start of the file.
    pub offset: u64,
    /// Whether the offset is one in what the file's section `.acl.gbs.gz` unpacks to.
    pub unpacked: bool,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// Some of the names in a folder, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    names: Vec<String>,
    more: usize,
}

/// [`Error`] without the file's path, which is known at the border.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    Malformed(Malformed),
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { operation, path: path.to_owned(), source: source.into() }
    }
}

impl Listing {
    /// So many names are shown.
    const MOST: usize = 10;

    pub(crate) fn new(mut names: Vec<String>) -> Self {
        let more = names.len().saturating_sub(Self::MOST);
        names.truncate(Self::MOST);
        Self { names, more }
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&self.names.join(", "))?;
        if self.more > 0 { write!(f, " and {} more", self.more) } else { Ok(()) }
    }
}

impl Fault {
    pub(crate) fn malformed(offset: u64, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, mut found) = (expected.into(), found.into());
        // It may be a text of the file, which is as long as that allows.
        found.truncate(found.floor_char_boundary(MAX_SHOWN));
        Self::Malformed(Malformed { offset, unpacked: false, expected, found })
    }

    /// What a failed read means: what the system reports is not the file's fault, all else is.
    pub(crate) fn reading(error: io::Error, offset: u64, expected: &str) -> Self {
        if error.raw_os_error().is_some() {
            return Self::Io(error);
        }
        let found = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the end".to_owned(),
            _ => error.to_string(),
        };
        Self::malformed(offset, expected, found)
    }

    /// The same, in what a section unpacks to.
    pub(crate) fn unpacked(self) -> Self {
        match self {
            Self::Malformed(problem) => Self::Malformed(Malformed { unpacked: true, ..problem }),
            io @ Self::Io(_) => io,
        }
    }

    pub(crate) fn of(self, path: &Path) -> Error {
        match self {
            Self::Io(source) => Error::io("read", path, source),
            Self::Malformed(problem) => Error::Malformed { path: path.to_owned(), problem },
        }
    }
}
