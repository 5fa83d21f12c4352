//! The device plugin for Intel FPGAs: `fpga.intel.com/af-...` (functions) or `region-...` (what they are programmed into).
//!
//! [`FpgaPlugin`] is the plugin itself; `options` the command line; `mode` what is offered, and `annotation` the one question
//! to the Kubernetes API that may change it; `card` what the kernel shows, and `idle` what it has no driver for;
//! `name` the resources' names.

mod annotation;
mod card;
pub mod doctor;
mod idle;
mod mode;
pub mod name;
mod options;
mod plugin;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use cli::confinement::Needs;
use cli::plugin::Start;
use device_plugin::Rescan;
use host::Host;

/// What is read of a node, for recordings.
pub use fpga_programming::READS;
pub use mode::{Chosen, Mode};
pub use options::Options;
pub use plugin::{FpgaPlugin, NEEDS};

/// Runs the plugin as a process of its own until SIGTERM. `program` is its name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, node_name(), args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let mode = match options.mode() {
        Ok(mode) => mode,
        Err(error) => return cli::fatal(error),
    };
    let host = match Host::at(&options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", device_plugin::error_chain(&error))),
    };
    // What a kubeconfig names may be anywhere.
    let needs = if options.kubeconfig.is_empty() { NEEDS } else { Needs { reads: &["/"], ..NEEDS } };
    cli::plugin::run(&options.common, host, needs, |rescan| build(&options, mode, rescan))
}

/// The plugin that these flags ask for, to be run beside others in one process.
pub fn parse(flags: &[String]) -> Result<Start, String> {
    let (options, mode) = read(flags)?;
    Ok(Box::new(move |_, rescan| Arc::new(build(&options, mode, rescan))))
}

/// Why the plugin does not start with these flags, if it does not: for those who make its DaemonSet.
pub fn check(flags: &[String]) -> Result<(), String> {
    read(flags).map(drop)
}

fn read(flags: &[String]) -> Result<(Options, Mode), String> {
    let options = Options::parse("fpga", node_name(), flags).map_err(|stop| stop.in_short())?;
    let mode = options.mode()?;
    Ok((options, mode))
}

fn build(options: &Options, mode: Mode, rescan: &Rescan) -> FpgaPlugin {
    let Options { node_name, kubeconfig, master, .. } = options.clone();
    if node_name.is_empty() {
        tracing::info!(
            "FPGA device plugin started in {mode} mode; no node is asked, as there is no -node-name"
        );
        return FpgaPlugin::new(Chosen::fixed(mode));
    }
    let node = node_name.clone();
    let ask = async move { annotation::mode_of_node(&node_name, &kubeconfig, &master).await };
    FpgaPlugin::new(Chosen::by_node(mode, node, rescan, ask))
}

fn node_name() -> String {
    std::env::var("NODE_NAME").unwrap_or_default()
}
