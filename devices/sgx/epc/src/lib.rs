//! `intel-sgx-epchook`: tells Kubernetes how much memory for enclaves a node has, as the resource `sgx.intel.com/epc`.
//!
//! `memory` asks the processor; `registration` is what the Node object says of it; `options` the command line.

mod memory;
mod options;
mod registration;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use cli::LogOptions;
use cli::confinement::{Access, Confined, Connects, Rules};

pub use memory::{Cpuid, Registers, epc_bytes, processor};
pub use options::Options;
pub use registration::{Pace, Registrar, Wanted};

/// Runs the program: exit code 0 when all is done, 255 and a line in the log when it is not, 2 for a wrong flag.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    if let Err(error) = cli::logs::start(&LogOptions::default()) {
        return cli::fatal(device_plugin::error_chain(&error));
    }
    let mut rules = Rules::default();
    rules.allow_all(cluster::READS, Access::Read).connects = Connects::Anywhere;
    Confined::by(options.confinement, &LogOptions::default(), rules);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::fatal(format!("cannot start the runtime: {error}")),
    };
    let bytes = epc_bytes(processor);
    tracing::info!("epc capacity: {bytes} bytes");
    let registrar = || {
        let node = std::env::var("NODE_NAME")
            .map_err(|error| format!("NODE_NAME: {error}: it must be this node's name"))?;
        cluster::check_node_name(&node).map_err(|error| format!("NODE_NAME: {error}"))?;
        Ok(Registrar { node, access: cluster::Access::in_cluster, pace: Pace::default() })
    };
    let mut out = io::stdout();
    let outcome = runtime.block_on(async {
        if !options.daemon {
            return work(options, bytes, registrar, &mut out).await;
        }
        let terminated = cli::signals::terminated();
        tokio::select! {
            () = terminated => Ok(()),
            outcome = work(options, bytes, registrar, &mut out) => outcome,
        }
    });
    // Not waiting for a file of the account that hangs.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => cli::fatal(error),
    }
}

/// Does what the flags say for a node with so much enclave memory. With `-daemon` it ends only with an error. `registrar` is
/// called if the API has to be asked.
pub async fn work<A, F>(
    options: Options,
    bytes: u64,
    registrar: impl FnOnce() -> Result<Registrar<A>, String>,
    out: &mut impl Write,
) -> Result<(), String>
where
    A: Fn() -> F,
    F: Future<Output = Result<cluster::Access, String>>,
{
    if options.affirm && bytes == 0 {
        return Err(
            "SGX EPC is not available: the processor has no SGX, or the firmware has it off".to_owned()
        );
    }
    let wanted = Wanted {
        capacity: options.register.then_some(bytes),
        label: options.node_label.then_some(bytes > 0),
    };
    let mut report = || if options.register { Ok(()) } else { print(bytes, out) };
    let registrar = if wanted.is_nothing() { None } else { Some(registrar()?) };
    match (registrar, options.daemon) {
        (Some(registrar), true) => match registrar.keep(wanted, report).await? {},
        (Some(registrar), false) => {
            registrar.once(wanted).await?;
            report()
        }
        (None, true) => {
            report()?;
            std::future::pending().await
        }
        (None, false) => report(),
    }
}

/// In the form of node-feature-discovery, which ran this program of old and read what it wrote; without an end of line.
fn print(bytes: u64, out: &mut impl Write) -> Result<(), String> {
    let printed = write!(out, "sgx.intel.com/epc={bytes}").and_then(|()| out.flush());
    printed.map_err(|error| format!("cannot write to standard output: {error}"))
}
