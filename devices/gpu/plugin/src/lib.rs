//! The device plugin for Intel GPUs: `gpu.intel.com/i915`, `xe`, `dxg` (Windows Subsystem for Linux) and monitoring.
//!
//! [`GpuPlugin`] is the plugin itself; `options` the command line; `card` what a GPU is; `health` who says whether it works.

mod bypath;
mod card;
mod health;
mod options;
mod plugin;
mod prefer;
mod wsl;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use device_plugin::{Manager, Paths, Rescan, Status};
use host::Host;
use tokio::sync::watch;

pub use health::{Health, Snapshot, Verdict, Verdicts};
pub use options::{ByPath, Config, HealthSource, IdFilter, Limits, Monitoring, Options, Policy};
pub use plugin::GpuPlugin;

/// Runs the plugin as a process of its own until SIGTERM. `program` is its name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let config = match options.check() {
        Ok(config) => config,
        Err(error) => return cli::fatal(format!("Argument check failed: {error}")),
    };
    let host = match Host::at(&options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", device_plugin::error_chain(&error))),
    };
    cli::plugin::run(&options.common, host.clone(), |rescan| make(&options, config, &host, rescan))
}

/// Runs the plugin as a task of the current runtime until `stop` is true. Its own folders come from the caller.
pub fn start(
    args: Vec<String>,
    host: Host,
    paths: Paths,
    stop: watch::Receiver<bool>,
) -> Result<Arc<Status>, String> {
    let options = Options::parse("gpu", args).map_err(|stop| stop.to_string())?;
    let config = options.check()?;
    let rescan = Rescan::default();
    let plugin = make(&options, config, &host, &rescan);
    let (status, _task) = cli::plugin::spawn(Manager::new(plugin, host, paths, rescan), stop);
    Ok(status)
}

fn make(options: &Options, config: Config, host: &Host, rescan: &Rescan) -> GpuPlugin {
    for warning in options.warnings() {
        tracing::warn!("{warning}");
    }
    GpuPlugin::start(config, host, rescan)
}
