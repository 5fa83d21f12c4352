//! Log lines as klog writes them, or as JSON, set up by klog's flags.
//!
//! The rest of the project logs through the macros of [`tracing`]; this module shows their events, and no
//! spans. Which events:
//!
//! | macro | shown |
//! |---|---|
//! | `error!`, `warn!`, `info!` | always |
//! | `debug!` | from `-v=2` |
//! | `trace!` | from `-v=4` |
//! | `debug!` and `trace!` of libraries from outside the project | from `-v=6` |
//!
//! `-vmodule=watch=4,pci*=2` raises the verbosity for source files by their name without `.rs`.
//!
//! A line of text is `I1123 22:01:02.123456   1234 watch.rs:12] message key="value"`: a letter for the
//! severity, month and day, time of day, process id, source; defined by
//! [klog](https://pkg.go.dev/k8s.io/klog/v2). Times are UTC, where klog takes the local time zone, which in a
//! container is UTC too. One event is one line and one `write(2)`: line breaks and other control characters
//! in it are escaped.

mod filter;
mod line;
mod logger;
mod options;
mod output;
mod severity;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use logger::Logger;
pub(crate) use logger::fatal;
pub use options::LogOptions;

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file that is to take the log cannot be written.
    #[error("cannot open log file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The process has a logger.
    #[error("logging was started before")]
    Started,
}

/// Sends the events of the whole process where the options say, from now on.
///
/// # Errors
/// When a log file cannot be opened, or at the second call in a process.
pub fn start(options: &LogOptions) -> Result<(), LogError> {
    let logger = Logger::open(options)?;
    tracing::subscriber::set_global_default(logger).map_err(|_already| LogError::Started)
}
