//! `install gpu-labels` and `install sgx-epc`: put the program on a node as a hook of Node Feature Discovery, which is what the
//! init containers of the GPU and SGX plugins do.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use cli::install;
use cli::{FlagSet, LogOptions};

/// Node Feature Discovery before v0.17 runs the programs in it; since v0.14 only if it is told to.
const FOLDER: &str = "/etc/kubernetes/node-feature-discovery/source.d";

/// Installs the hook for GPUs.
pub(crate) fn gpu_labels(program: &str, args: Vec<OsString>) -> ExitCode {
    main(program, args, "intel-gpu-nfdhook")
}

/// Installs the hook for enclave memory.
pub(crate) fn sgx_epc(program: &str, args: Vec<OsString>) -> ExitCode {
    main(program, args, "intel-sgx-epchook")
}

/// The hook is this program, which goes by the name that it is run by.
fn main(program: &str, args: Vec<OsString>, hook: &str) -> ExitCode {
    let about = format!(
        "Puts {hook} on the node as a hook of Node Feature Discovery. Needs to write to the folder on the node: as root, or in a \
         container that has it mounted at the same path."
    );
    let (mut folder, mut log_options) = (FOLDER.to_owned(), LogOptions::default());
    let mut flags = FlagSet::new(program, &about);
    flags.string("dir", &mut folder, "folder of hooks");
    log_options.add_flags(&mut flags);
    match flags.parse(args) {
        Ok(words) if words.is_empty() => {}
        Ok(words) => return cli::fatal(format!("{words:?} are no flags")),
        Err(stop) => return stop.report(),
    }
    let folder = Path::new(&folder);
    cli::run(&log_options, || {
        let installed = install::folder(folder)
            .and_then(|()| install::program(install::THIS_PROGRAM.as_ref(), &folder.join(hook)));
        installed.map_err(|error| vec![device_plugin::error_chain(&error)])?;
        tracing::info!("{hook} is in {}", folder.display());
        Ok(())
    })
}
