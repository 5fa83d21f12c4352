//! Runs a program on a simulated node and answers, in place of the kernel, what it asks the FPGA drivers: a test tool.
//!
//! ```text
//! fpga-emulator -root FOLDER -log FILE [-fault FAULT].. -- PROGRAM [ARGUMENT]..
//! ```
//!
//! The program and all that it starts are traced (`ptrace(2)`). Requests (`ioctl(2)`) on the FPGA nodes below `FOLDER/dev`
//! never reach the real kernel: the emulator reads their arguments from the program's memory, does in the simulated tree what
//! the driver would do, writes the answer back and logs it. It ends when the last of the programs has ended, with the exit
//! status of the first; 128 and the signal's number if a signal ended it; 125 if something is wrong with the emulator.
//!
//! What hardware would find in a bitstream is a line at its beginning, `SIMULATED BITSTREAM INTERFACE AFU`, with both ids.
//! Whatever else is programmed is incompatible, as is a bitstream for another interface.
//!
//! A released port's folder and node get a name with `.released-` before it, until the port is assigned.
//!
//! `log` is what each line of the log is; `fault` what `-fault` makes happen; `tracer` how the program is followed; `node`
//! which files are nodes, and who has them open; `request` what can be asked; `kernel` what the drivers do.

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the registers of system calls are those of x86-64");

mod fault;
mod kernel;
mod log;
mod memory;
mod node;
mod request;
mod tracer;
mod tree;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use fault::Faults;
use kernel::Kernel;
use log::Log;
use node::Nodes;
use tracer::Tracer;
use tree::Tree;

/// How the emulator starts itself, to become the traced program.
const TRACED: &str = "--traced";

/// As `env(1)` and others have it: the failure is the wrapper's own.
const FAILED: u8 = 125;

const USAGE: &str = "usage: fpga-emulator -root FOLDER -log FILE [-fault FAULT].. -- PROGRAM [ARGUMENT]..";

struct Options {
    root: PathBuf,
    log: PathBuf,
    faults: Faults,
    program: Vec<OsString>,
}

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    let result = if args.next_if(|arg| arg == TRACED).is_some() {
        become_traced(&args.collect::<Vec<_>>())
    } else {
        Options::parse(args).and_then(run)
    };
    result.unwrap_or_else(|message| {
        tell(&message);
        ExitCode::from(FAILED)
    })
}

#[expect(clippy::print_stderr, reason = "a tool on the command line")]
fn tell(message: &str) {
    eprintln!("fpga-emulator: {message}");
}

impl Options {
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let (mut root, mut log, mut faults) = (None, None, Faults::default());
        while let Some(flag) = args.next() {
            if flag == "--" {
                let program: Vec<OsString> = args.collect();
                return match (root, log) {
                    (Some(root), Some(log)) if !program.is_empty() => Ok(Self { root, log, faults, program }),
                    _ => Err(USAGE.to_owned()),
                };
            }
            let value = args.next().ok_or(USAGE)?;
            match flag.to_str() {
                Some("-root") => root = Some(PathBuf::from(value)),
                Some("-log") => log = Some(PathBuf::from(value)),
                Some("-fault") => faults.add(&value.to_string_lossy())?,
                _ => return Err(USAGE.to_owned()),
            }
        }
        Err(USAGE.to_owned())
    }
}

fn become_traced(command: &[OsString]) -> Result<ExitCode, String> {
    let (program, arguments) = command.split_first().ok_or(USAGE)?;
    nix::sys::ptrace::traceme().map_err(|error| format!("cannot be traced: {error}"))?;
    let error = Command::new(program).args(arguments).exec();
    Err(format!("cannot run {}: {error}", program.display()))
}

fn run(options: Options) -> Result<ExitCode, String> {
    let tree = Tree::at(&options.root)?;
    let log = Log::append(&options.log)?;
    let nodes = Nodes::of(&tree)?;
    let child = Command::new("/proc/self/exe")
        .arg(TRACED)
        .args(options.program)
        .spawn()
        .map_err(|error| format!("cannot start the program: {error}"))?;
    let code = Tracer::new(Kernel::new(tree, options.faults), nodes, log).follow(child.id())?;
    Ok(ExitCode::from(code))
}
