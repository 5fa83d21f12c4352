//! The device plugin for Intel SGX: `sgx.intel.com/enclave`, `provision`, and if asked for `qe` and `registration`.
//!
//! [`SgxPlugin`] is the plugin itself; `options` the command line; `defaults` how often the devices are offered.

mod defaults;
pub mod doctor;
mod options;
mod plugin;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use cli::confinement::Needs;
use cli::plugin::Start;
use host::Host;

pub use options::{Config, Options};
pub use plugin::{READS, SgxPlugin};

/// Runs the plugin as a process of its own until SIGTERM. `program` is its name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let (default, warning) = defaults::of_this_machine();
    let options = match Options::parse(program, default, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let config = match options.check() {
        Ok(config) => config,
        Err(error) => return cli::refuse(&options.common.logs, error),
    };
    let host = match Host::at(&options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", device_plugin::error_chain(&error))),
    };
    cli::plugin::run(&options.common, host, Needs::CDI, |_| build(config, warning))
}

/// The plugin that these flags ask for, to be run beside others in one process.
pub fn parse(flags: &[String]) -> Result<Start, String> {
    let (default, warning) = defaults::of_this_machine();
    let config = config(default, flags)?;
    Ok(Box::new(move |_, _| Arc::new(build(config, warning))))
}

/// Why the plugin does not start with these flags, if it does not, whatever the machine: for those who make its DaemonSet.
pub fn check(flags: &[String]) -> Result<(), String> {
    config(0, flags).map(drop)
}

fn config(default: u64, flags: &[String]) -> Result<Config, String> {
    Options::parse("sgx", default, flags).map_err(|stop| stop.in_short())?.check()
}

fn build(config: Config, warning: Option<String>) -> SgxPlugin {
    if let Some(warning) = warning {
        tracing::error!("{warning}");
    }
    SgxPlugin::new(config)
}
