//! Simulated GPUs from the JSON files of the Go implementation's generator, `gpu_fakedev`.
//!
//! `spec` reads such a file and `tree` says what it stands for. That becomes a simulated node ([`load`]), or `sys` and `dev`
//! in a folder, with real device nodes ([`make`]). `links` is about the links between tiles of GPUs.

mod folder;
pub mod links;
mod profile;
mod spec;
mod tree;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use cli::{FlagSet, LogOptions, Stop};
use device_plugin::error_chain;

pub use folder::{FolderError, make};
pub use profile::{load, text};
pub use spec::{Spec, SpecError};

/// The command line.
#[derive(Debug, Default)]
struct Options {
    json: String,
    verbose: bool,
    logs: LogOptions,
}

impl Options {
    fn parse(program: &str, args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self::default();
        let mut flags = FlagSet::new(
            program,
            "Makes sys, dev and xpum-sidecar-labels.txt of simulated Intel GPUs in the working folder, as init container \
             before a plugin with -prefix. Device nodes take the capability MKNOD.",
        );
        flags.string("json", &mut options.json, "file that describes the GPUs, required");
        flags.bool("verbose", &mut options.verbose, "log what is in the file");
        options.logs.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }
}

/// Runs the generator: exit code 0 when all is made, 1 when not, 2 for a wrong flag. `program` is its name in the usage text.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    match Options::parse(program, args) {
        Ok(options) => {
            cli::run(&options.logs, || generate(&options).map_err(|error| vec![error_chain(&*error)]))
        }
        Err(stop) => stop.report(),
    }
}

fn generate(options: &Options) -> Result<(), Box<dyn Error>> {
    if options.json.is_empty() {
        return Err("-json is missing: the file that describes the GPUs".into());
    }
    let (spec, text) = Spec::load(Path::new(&options.json))
        .map_err(|error| format!("-json {}: {}", options.json, error_chain(&error)))?;
    if options.verbose {
        tracing::info!("{}: {text}", options.json);
    }
    if !spec.info.is_empty() {
        tracing::info!("{}", spec.info);
    }
    let things = make(Path::new("."), &spec)?;
    tracing::info!("made {things} files, folders and device nodes of {} GPUs", spec.devices);
    let mut out = io::stdout().lock();
    out.write_all(&links::label_lines(&spec))?;
    Ok(out.flush()?)
}
