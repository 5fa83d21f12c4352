//! The OCI hook that programs FPGA regions before a container starts (`createRuntime`,
//! <https://github.com/opencontainers/runtime-spec/blob/main/config.md#createruntime-hooks>).
//!
//! The container runtime runs it on the node, outside of the container, with the container's [`state`] on standard input.
//! [`config`] is what the hook needs of the container's bundle, [`wanted`] what its variables ask for, `choice` which port
//! each function gets, [`install`] how the hook comes to the node.

mod choice;
pub mod config;
pub mod install;
pub mod state;
mod wanted;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cli::{FlagSet, LogOptions, Stop};
use device_plugin::error_chain;
use fpga_bitstream::{Id, Store};
use fpga_programming::Port;
use host::{DeviceNumber, Host};

use config::{Config, ConfigError};
use state::StateError;
pub use wanted::{Wanted, WantedError, wanted};

/// For others who program the same cards, for all of them together. The kubelet gives the runtime two minutes
/// (`runtimeRequestTimeout`), and a large card takes some seconds.
const WAIT: Duration = Duration::from_secs(90);

/// Of a message, so many characters are said. A pod's event has room for 1024, the runtime's own words included.
const MAX_SAID: usize = 600;

#[derive(Debug)]
struct Options {
    prefix: String,
    store: String,
    version: bool,
}

/// Why a container cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the runtime says cannot be understood.
    #[error(transparent)]
    State(#[from] StateError),
    /// The bundle has no configuration that can be understood.
    #[error("{}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ConfigError,
    },
    /// The container's variables are wrong.
    #[error(transparent)]
    Wanted(#[from] WantedError),
    /// A device of the container is a port that cannot be used.
    #[error("a device of the container, {}:{}", number.major, number.minor)]
    Device {
        /// Its number.
        number: DeviceNumber,
        /// Why not.
        #[source]
        source: fpga_programming::Error,
    },
    /// There are fewer ports than functions.
    #[error(
        "FPGA_REGION_{number} needs a card of its own with the interface {interface}; the container has {ports}"
    )]
    NoPort {
        /// The variables' number.
        number: u32,
        /// What is asked for.
        interface: Id,
        /// All that it has, and what they are.
        ports: String,
    },
    /// The store has not the bitstream, or a bad one.
    #[error("FPGA_AFU_{number}")]
    Bitstream {
        /// The variables' number.
        number: u32,
        /// What is wrong.
        #[source]
        source: fpga_bitstream::Error,
    },
    /// It was not programmed.
    #[error("FPGA_AFU_{number}")]
    Program {
        /// The variables' number.
        number: u32,
        /// Why not.
        #[source]
        source: fpga_programming::Error,
    },
    /// What was done cannot be said.
    #[error("cannot print")]
    Print(#[from] io::Error),
}

/// The hook on a node.
#[derive(Debug)]
pub struct Hook {
    host: Host,
    store: Store,
}

/// A port that the container has.
struct Found {
    port: Port,
    interface: Id,
    /// The name of the card's management engine.
    card: String,
}

/// Runs the hook: exit code 0 when every function is where it should be, 1 and one line on standard error when the
/// container must not start. Standard output has a line for each port.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let run = || {
        let mut out = io::stdout().lock();
        if options.version {
            let version = writeln!(out, "{}", cli::VERSION);
            return version.map_err(|error| error_chain(&Error::Print(error)));
        }
        let host = Host::at(&options.prefix).map_err(|error| format!("-prefix: {}", error_chain(&error)))?;
        let hook = Hook::new(&host, &options.store);
        hook.run(io::stdin().lock(), &mut out).map_err(|error| error_chain(&error))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The runtime puts this in its own message, which is an event of the pod. Nobody is told if it is gone.
            let _ = writeln!(io::stderr(), "fpga-hook: {}", line(&error));
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn parse(program: &str, args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self { prefix: String::new(), store: Store::DEFAULT.to_owned(), version: false };
        let mut flags = FlagSet::new(
            program,
            "Programs the FPGA functions that a container asks for with FPGA_REGION_<n> and FPGA_AFU_<n> before it starts. An OCI \
             hook (createRuntime): container runtimes run it, without flags and with the container's state on standard input.",
        );
        flags.string("store", &mut options.store, "folder of bitstreams, as INTERFACE/FUNCTION.gbs or .aocx");
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys, /dev and store to use, for simulated nodes",
        );
        flags.bool("version", &mut options.version, "print the version");
        // The Go implementation's has them, and a hook's file may give some.
        let mut logs = LogOptions::default();
        logs.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }
}

impl Hook {
    /// The hook on this node, with the store in this folder of it.
    pub fn new(host: &Host, store: impl Into<PathBuf>) -> Self {
        Self { host: host.clone(), store: Store::new(host, store) }
    }

    /// Gives every function that the container asks for a port of a card of its own, programs what is not there yet, and says on
    /// `out` what became of each port. What was programmed before something failed stays.
    pub fn run(&self, input: impl Read, out: &mut impl Write) -> Result<(), Error> {
        let config = read_config(&state::bundle(input)?)?;
        let wanted = wanted(&config.environment)?;
        let found = self.ports(&config.devices)?;
        let fits = |found: &Found, wanted: &Wanted| found.interface == wanted.interface;
        // A port that is just being programmed has nothing.
        let holds = |found: &Found, wanted: &Wanted| found.port.holds(&wanted.function).unwrap_or_default();
        let chosen = choice::choose(&wanted, &found, fits, holds, |found| &found.card).map_err(|wanted| {
            Error::NoPort { number: wanted.number, interface: wanted.interface, ports: listed(&found) }
        })?;
        let until = Instant::now() + WAIT;
        for (wanted, index) in wanted.iter().zip(chosen) {
            if let Some(Found { port, .. }) = found.get(index) {
                let done = if self.ensure(wanted, port, until)? { "programmed" } else { "has it already" };
                writeln!(out, "{}: {} ({done})", port.name(), wanted.function)?;
            }
        }
        Ok(())
    }

    /// The ports among the container's devices, each once. By their numbers, for a container's nodes can have any name.
    fn ports(&self, devices: &[DeviceNumber]) -> Result<Vec<Found>, Error> {
        let mut found: Vec<Found> = Vec::new();
        for number in devices {
            let failed = |source| Error::Device { number: *number, source };
            let port = match Port::of(&self.host, *number) {
                Ok(port) => port,
                // Another device, or none that the kernel has in sysfs.
                Err(fpga_programming::Error::Kind { .. }) => continue,
                Err(fpga_programming::Error::Host(error)) if error.is_not_found() => continue,
                Err(error) => return Err(failed(error)),
            };
            if found.iter().all(|known| known.port.name() != port.name()) {
                let interface = port.interface_id().map_err(failed)?;
                let card = port.fme().map_err(failed)?.name().to_owned();
                found.push(Found { port, interface, card });
            }
        }
        Ok(found)
    }

    /// Whether it had to be programmed. Waits for others until then.
    fn ensure(&self, wanted: &Wanted, port: &Port, until: Instant) -> Result<bool, Error> {
        let number = wanted.number;
        let failed = |source| Error::Program { number, source };
        // Another container's hook may be programming the card: then what is there is not known before it is done.
        let wait = until.saturating_duration_since(Instant::now());
        let locked = port.lock(wait).map_err(failed)?;
        if port.holds(&wanted.function).unwrap_or_default() {
            return Ok(false);
        }
        let bitstream = self.store.find(wanted.interface, &wanted.function);
        let bitstream = bitstream.map_err(|source| Error::Bitstream { number, source })?;
        locked.reconfigure(&bitstream).map_err(failed)?;
        Ok(true)
    }
}

fn read_config(bundle: &Path) -> Result<Config, Error> {
    let path = state::config(bundle);
    let read = || Config::read(File::open(&path).map_err(ConfigError::Read)?);
    read().map_err(|source| Error::Config { path: path.clone(), source })
}

/// One line that fits into an event, whatever a path or the container's configuration has in it.
fn line(error: &str) -> String {
    error.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SAID).collect()
}

fn listed(found: &[Found]) -> String {
    let ports: Vec<String> =
        found.iter().map(|found| format!("{} ({})", found.port.name(), found.interface)).collect();
    if ports.is_empty() { "no FPGA port".to_owned() } else { ports.join(", ") }
}
