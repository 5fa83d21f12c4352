//! What every binary of the project shares: command lines, logs, signals.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     let mut logs = cli::LogOptions::default();
//!     let mut flags = cli::FlagSet::new("plugin", "One sentence on what it does.");
//!     logs.add_flags(&mut flags);
//!     if let Err(stop) = flags.parse(std::env::args_os().skip(1)) {
//!         return stop.report();
//!     }
//!     if let Err(error) = cli::logs::start(&logs) {
//!         return cli::fatal(device_plugin::error_chain(&error));
//!     }
//!     ExitCode::SUCCESS
//! }
//! ```

mod address;
pub mod confinement;
mod escape;
pub mod flags;
pub mod install;
pub mod logs;
pub mod plugin;
pub mod signals;
mod time;

use std::fmt;
use std::panic::Location;
use std::process::ExitCode;

pub use address::address;
pub use escape::{line, quoted};
pub use flags::suggest::nearest;
pub use flags::{FlagSet, Stop};
pub use logs::LogOptions;
pub use time::rfc3339;

/// What every program of the project answers to `-version`. The installer of a node's programs compares what follows the name.
pub const VERSION: &str = concat!("intel-device-plugins ", env!("CARGO_PKG_VERSION"));

/// Logs why the process cannot go on and returns the exit code for `main`: 255, klog's for a fatal message.
///
/// Works before [`logs::start`], too: the line then goes to standard error.
#[track_caller]
pub fn fatal(message: impl fmt::Display) -> ExitCode {
    logs::fatal(Location::caller(), &message);
    ExitCode::from(255)
}

/// Runs a command that does its work and ends: starts the logs, has each error of `work` as a line there, and returns the exit
/// code for `main`, 1 when there was one.
pub fn run(options: &LogOptions, work: impl FnOnce() -> Result<(), Vec<String>>) -> ExitCode {
    if let Err(error) = logs::start(options) {
        return fatal(device_plugin::error_chain(&error));
    }
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(errors) => {
            for error in errors {
                tracing::error!("{error}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Logs why the process cannot begin, as a warning, and returns the exit code for `main`: 1. For the plugins whose Go
/// implementation ends so.
pub fn refuse(options: &LogOptions, message: impl fmt::Display) -> ExitCode {
    if let Err(error) = logs::start(options) {
        return fatal(device_plugin::error_chain(&error));
    }
    tracing::warn!("{message}");
    ExitCode::FAILURE
}
