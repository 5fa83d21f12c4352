//! The device plugin for Intel QAT, which accelerates cryptography and compression: `qat.intel.com/<services>`; and
//! `setup qat`, which makes the virtual functions that the plugin offers.
//!
//! [`QatPlugin`] is the plugin itself; `options` the command line; `generation` what kinds of hardware there are;
//! `functions` how virtual functions are found, `offer` what a container gets with one, `services` how its resource is
//! called, `heartbeat` whether its hardware works, `bind` how it gets its driver, `users` whether a program has it.
//! [`setup`] prepares a node.

mod bind;
pub mod doctor;
mod functions;
mod generation;
mod heartbeat;
mod offer;
mod options;
mod plugin;
mod prefer;
mod reads;
#[cfg(test)]
mod scene;
mod services;
mod setup;
mod users;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use cli::plugin::Start;
use host::Host;

pub use options::{Config, DpdkDriver, Options, Policy};
pub use plugin::{NEEDS, QatPlugin};
pub use reads::READS;
pub use setup::setup;

/// Runs the plugin as a process of its own until SIGTERM. `program` is its name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let config = match options.check() {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let host = match Host::at(&options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", device_plugin::error_chain(&error))),
    };
    cli::plugin::run(&options.common, host, NEEDS, |_| QatPlugin::new(config))
}

/// The plugin that these flags ask for, to be run beside others in one process.
pub fn parse(flags: &[String]) -> Result<Start, String> {
    let config = config(flags)?;
    Ok(Box::new(move |_, _| Arc::new(QatPlugin::new(config))))
}

/// Why the plugin does not start with these flags, if it does not: for those who make its DaemonSet.
pub fn check(flags: &[String]) -> Result<(), String> {
    config(flags).map(drop)
}

fn config(flags: &[String]) -> Result<Config, String> {
    Options::parse("qat", flags).map_err(|stop| stop.in_short())?.check()
}

/// Ends as the Go implementation does: the bare message on standard output, exit code 1.
fn refuse(error: &str) -> ExitCode {
    // Nobody is left to tell when standard output is closed.
    let _ = writeln!(std::io::stdout(), "{error}");
    ExitCode::FAILURE
}
