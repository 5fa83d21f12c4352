//! The `XeLink` sidecar: labels a node with the links between its Intel GPUs, as XPU Manager shows them.
//!
//! `exporter` asks for the metrics, `links` finds the links in them, and [`Sidecar`] keeps the file of labels as they say; `options`
//! is the command line.

pub mod exporter;
pub mod links;
mod options;
mod sidecar;

use std::ffi::OsString;
use std::process::ExitCode;

use cli::confinement::{Access, Confined, Rules};
use cli::{logs, signals};

pub use options::Options;
pub use sidecar::{MAX_FAILURES, Sidecar};

/// Runs the sidecar until SIGTERM: exit code 0, or 2 for a wrong flag and 255 for a value that cannot work. `program` is its
/// name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let (interval, sidecar) = match options.interval().and_then(|interval| Ok((interval, options.sidecar()?)))
    {
        Ok(both) => both,
        Err(error) => return cli::fatal(error),
    };
    if let Err(error) = logs::start(&options.logs) {
        return cli::fatal(device_plugin::error_chain(&error));
    }
    let mut rules = Rules::default();
    rules.allow(&sidecar.folder, Access::Folders);
    sidecar.exporter.add_rules(&mut rules);
    Confined::by(options.confinement, &options.logs, rules);
    let runtime = match cli::plugin::runtime(1) {
        Ok(runtime) => runtime,
        Err(error) => return cli::fatal(error),
    };
    runtime.block_on(async {
        // Before anything else, so that a signal during the delay counts.
        let terminated = signals::terminated();
        sidecar.run(options.delay(), interval, terminated).await;
    });
    // Not waiting for a file system that hangs in a read.
    runtime.shutdown_background();
    ExitCode::SUCCESS
}
