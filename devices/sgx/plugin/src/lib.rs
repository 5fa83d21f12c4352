//! The device plugin for Intel SGX: `sgx.intel.com/enclave`, `provision`, and if asked for `qe` and `registration`.
//!
//! [`SgxPlugin`] is the plugin itself; `options` the command line; `defaults` how often the devices are offered.

mod defaults;
mod options;
mod plugin;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use cli::confinement::Needs;
use cli::plugin::Start;
use host::Host;

pub use options::{Config, Options};
pub use plugin::SgxPlugin;

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
    let options = Options::parse("sgx", default, flags).map_err(|stop| stop.in_short())?;
    let config = options.check()?;
    Ok(Box::new(move |_, _| Arc::new(build(config, warning))))
}

fn build(config: Config, warning: Option<String>) -> SgxPlugin {
    if let Some(warning) = warning {
        tracing::error!("{warning}");
    }
    SgxPlugin::new(config)
}
