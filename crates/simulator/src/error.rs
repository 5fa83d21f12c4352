//! What can go wrong with a simulated node.

use std::io;
use std::path::{Path, PathBuf};

use host::HostError;

/// A profile that cannot be understood, or a simulated node that cannot be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// There is no such profile among the built-in ones.
    #[error("no profile is named {name:?}; there are: {known}")]
    UnknownProfile {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A line of a profile, or of a template it uses, is wrong.
    #[error("{place}: {message}")]
    Line {
        /// `FILE:LINE`, followed by ` > TEMPLATE:LINE` where the line is one of a template.
        place: String,
        /// What was expected.
        message: String,
    },
    /// The node has no device of that name.
    #[error("the simulated node has no device {name:?}; it has: {known}")]
    UnknownDevice {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A folder that cannot hold a simulated node.
    #[error("cannot use {} as the root of a simulated node: {message}", path.display())]
    Root {
        /// The folder.
        path: PathBuf,
        /// Why not.
        message: &'static str,
    },
    /// A path could not be made, changed or removed.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried, as a verb and its object: "make the file".
        operation: &'static str,
        /// The path as the node sees it, or that of the profile's file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The tree was made but cannot be used.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl SimulatorError {
    pub(crate) fn line(place: &str, message: impl Into<String>) -> Self {
        Self::Line { place: place.to_owned(), message: message.into() }
    }

    pub(crate) fn io(operation: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { operation, path: path.to_owned(), source: source.into() }
    }
}
