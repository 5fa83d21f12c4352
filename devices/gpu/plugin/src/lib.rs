//! The device plugin for Intel GPUs: `gpu.intel.com/i915`, `xe`, `dxg` (Windows Subsystem for Linux) and monitoring.
//!
//! [`GpuPlugin`] is the plugin itself; `options` the command line; `card` what a GPU is; `health` who says whether it works.

mod bypath;
mod card;
pub mod doctor;
mod health;
mod options;
mod plugin;
mod prefer;
mod reads;
mod wsl;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use cli::confinement::Needs;
use cli::plugin::Start;
use device_plugin::Rescan;
use host::Host;

pub use health::{Health, Snapshot, Trouble, Verdict, Verdicts};
pub use options::{ByPath, Config, HealthSource, IdFilter, Limits, Monitoring, Options, Policy, Severity};
pub use plugin::GpuPlugin;
pub use reads::READS;

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
    cli::plugin::run(&options.common, host.clone(), Needs::CDI, |rescan| {
        build(&options, config, &host, rescan)
    })
}

/// The plugin that these flags ask for, to be run beside others in one process.
pub fn parse(flags: &[String]) -> Result<Start, String> {
    let (options, config) = read(flags)?;
    Ok(Box::new(move |host, rescan| Arc::new(build(&options, config, host, rescan))))
}

/// Why the plugin does not start with these flags, if it does not: for those who make its DaemonSet.
pub fn check(flags: &[String]) -> Result<(), String> {
    read(flags).map(drop)
}

fn read(flags: &[String]) -> Result<(Options, Config), String> {
    let options = Options::parse("gpu", flags).map_err(|stop| stop.in_short())?;
    let config = options.check()?;
    Ok((options, config))
}

fn build(options: &Options, config: Config, host: &Host, rescan: &Rescan) -> GpuPlugin {
    for warning in options.warnings() {
        tracing::warn!("{warning}");
    }
    GpuPlugin::start(config, host, rescan)
}
