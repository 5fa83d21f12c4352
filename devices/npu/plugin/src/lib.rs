//! The device plugin for Intel NPUs: `npu.intel.com/accel`.
//!
//! [`NpuPlugin`] is the plugin itself; `options` the command line.

pub mod doctor;
mod options;
mod plugin;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use cli::confinement::Needs;
use cli::plugin::Start;
use host::Host;

pub use options::Options;
pub use plugin::{NpuPlugin, READS};

/// Runs the plugin as a process of its own until SIGTERM. `program` is its name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let shares = match options.shares() {
        Ok(shares) => shares,
        Err(error) => return cli::refuse(&options.common.logs, error),
    };
    let host = match Host::at(&options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", device_plugin::error_chain(&error))),
    };
    cli::plugin::run(&options.common, host, Needs::NONE, |_| NpuPlugin::new(shares))
}

/// The plugin that these flags ask for, to be run beside others in one process.
pub fn parse(flags: &[String]) -> Result<Start, String> {
    let shares = shares(flags)?;
    Ok(Box::new(move |_, _| Arc::new(NpuPlugin::new(shares))))
}

/// Why the plugin does not start with these flags, if it does not: for those who make its DaemonSet.
pub fn check(flags: &[String]) -> Result<(), String> {
    shares(flags).map(drop)
}

fn shares(flags: &[String]) -> Result<u32, String> {
    Options::parse("npu", flags).map_err(|stop| stop.in_short())?.shares()
}
