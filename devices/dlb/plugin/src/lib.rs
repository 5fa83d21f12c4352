//! The device plugin for Intel DLB (Dynamic Load Balancer): `dlb.intel.com/pf` and `vf`.
//!
//! [`DlbPlugin`] is the plugin itself, `balancer` one device of it; [`setup`] makes virtual functions.

mod balancer;
pub mod doctor;
mod plugin;
mod reads;
mod setup;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

use cli::FlagSet;
use cli::confinement::Needs;
use cli::plugin::{PluginOptions, Start};
use host::Host;

pub use plugin::DlbPlugin;
pub use reads::READS;
pub use setup::setup;

/// The flags as they were given.
#[derive(Debug, Default)]
struct Options {
    /// Before `/sys` and `/dev`.
    prefix: String,
    common: PluginOptions,
}

impl Options {
    fn parse<I>(program: &str, args: I) -> Result<Self, cli::Stop>
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut options = Self::default();
        let mut flags = FlagSet::new(program, "Offers the Intel DLB devices of a node to Kubernetes.");
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys and /dev to use, for simulated nodes",
        );
        options.common.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }
}

/// Runs the plugin as a process of its own until SIGTERM. `program` is its name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let host = match Host::at(&options.prefix) {
        Ok(host) => host,
        Err(error) => return cli::fatal(format!("-prefix: {}", device_plugin::error_chain(&error))),
    };
    cli::plugin::run(&options.common, host.clone(), Needs::NONE, |_| DlbPlugin::new(host))
}

/// The plugin that these flags ask for, to be run beside others in one process.
pub fn parse(flags: &[String]) -> Result<Start, String> {
    check(flags)?;
    Ok(Box::new(|host, _| Arc::new(DlbPlugin::new(host.clone()))))
}

/// Why the plugin does not start with these flags, if it does not: for those who make its DaemonSet.
pub fn check(flags: &[String]) -> Result<(), String> {
    Options::parse("dlb", flags).map(drop).map_err(|stop| stop.in_short())
}
