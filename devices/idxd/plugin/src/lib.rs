//! The device plugins for Intel DSA (Data Streaming Accelerator) and IAA (In-Memory Analytics Accelerator), both on the
//! kernel's driver `idxd`, which offers an accelerator as work queues.
//!
//! [`dsa`] and [`iaa`] are the two programs; `queues` is what they share, `queue` a work queue, `accelerator` what it is a
//! queue of; `vfio` offers whole DSA functions to virtual machines and user-space drivers instead.

mod accelerator;
pub mod doctor;
mod family;
mod options;
mod prefer;
mod queue;
mod queues;
mod reads;
pub mod setup;
mod vfio;

pub use reads::READS;

/// The plugin for DSA: `dsa.intel.com/wq-<type>-<mode>`, or `dsa.intel.com/vfio`.
pub mod dsa {
    use std::ffi::OsString;
    use std::process::ExitCode;

    use cli::plugin::Start;

    use crate::family::{self, DSA};

    /// Runs the plugin as a process of its own until SIGTERM. `program` is its name in the usage text.
    pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
        family::main(&DSA, program, args)
    }

    /// The plugin that these flags ask for, to be run beside others in one process.
    pub fn parse(flags: &[String]) -> Result<Start, String> {
        family::parse(&DSA, flags)
    }

    /// Why the plugin does not start with these flags, if it does not: for those who make its DaemonSet.
    pub fn check(flags: &[String]) -> Result<(), String> {
        family::check(&DSA, flags)
    }
}

/// The plugin for IAA: `iaa.intel.com/wq-<type>-<mode>`.
pub mod iaa {
    use std::ffi::OsString;
    use std::process::ExitCode;

    use cli::plugin::Start;

    use crate::family::{self, IAA};

    /// Runs the plugin as a process of its own until SIGTERM. `program` is its name in the usage text.
    pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
        family::main(&IAA, program, args)
    }

    /// The plugin that these flags ask for, to be run beside others in one process.
    pub fn parse(flags: &[String]) -> Result<Start, String> {
        family::parse(&IAA, flags)
    }

    /// Why the plugin does not start with these flags, if it does not: for those who make its DaemonSet.
    pub fn check(flags: &[String]) -> Result<(), String> {
        family::check(&IAA, flags)
    }
}
