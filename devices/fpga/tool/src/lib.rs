//! `fpga_tool`: looks at FPGAs and bitstream files, installs files where the hook finds them, and programs ports.
//!
//! `options` is the command line; `device`, `files` and `change` what the commands do; `facts` how it is said.

mod change;
mod device;
mod facts;
mod files;
mod options;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use device_plugin::error_chain;
use fpga_bitstream::Store;
use host::Host;
use serde_json::{Map, Value};

use facts::print_json;
use options::{COMMANDS, Options};

/// For others who change the same card.
const WAIT: Duration = Duration::from_mins(1);

type Outcome = Result<(), Box<dyn Error>>;

/// Runs the tool: exit code 0 when it is done, 1 and a line on standard error when it is not, 2 for a wrong flag.
pub fn main(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    let mut out = io::stdout().lock();
    match run(program, &options, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if it is closed.
            let _ = writeln!(io::stderr(), "fpga_tool: {}", error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(program: &str, options: &Options, out: &mut impl Write) -> Outcome {
    if options.version {
        return Ok(writeln!(out, "{}", cli::VERSION)?);
    }
    let command = options.command.as_str();
    let needs_bitstream = ["info", "install", "pr"].contains(&command);
    if needs_bitstream && options.bitstream.is_empty() {
        return Err("Invalid arguments: bitstream filename is missing: give it with -b".into());
    }
    let needs_device = ["fpgainfo", "fmeinfo", "portinfo", "pr", "release", "assign"].contains(&command);
    if needs_device && options.device.is_empty() {
        return Err("Invalid arguments: FPGA device name is missing: give it with -d".into());
    }
    let host = Host::at(&options.prefix)?;
    let store = Store::new(&host, &options.store);
    match command {
        "info" => files::info(&store, options, out),
        "install" => files::install(&store, options, out),
        "list" => list(&host, options, true, true, out),
        "list-fme" => list(&host, options, true, false, out),
        "list-port" => list(&host, options, false, true, out),
        "fpgainfo" | "fmeinfo" | "portinfo" => {
            let extent = device::Extent { is_quiet: options.quiet, asks_driver: !options.dry_run };
            let (facts, result) = device::describe(&host, &options.device, extent);
            facts.print(options.json, out)?;
            result?;
            let any = options.function.is_empty();
            if any { Ok(()) } else { device::check(&host, &options.device, &options.function) }
        }
        "pr" => change::program(&host, options, out),
        "release" | "assign" => change::hand_over(&host, options, out),
        "" => Err(format!("no command; it must be one of {}\n\n{}", names(), Options::usage(program)).into()),
        other => {
            let near = cli::nearest(other, COMMANDS.iter().map(|(name, _)| *name));
            let hint = near.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
            Err(format!("unknown command {other:?}{hint}; it must be one of {}", names()).into())
        }
    }
}

fn names() -> String {
    COMMANDS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// Names for scripts to go through, under how many there are.
fn list(host: &Host, options: &Options, fmes: bool, ports: bool, out: &mut impl Write) -> Outcome {
    let fmes = fmes.then(|| fpga_programming::fmes(host)).transpose()?;
    let ports = ports.then(|| fpga_programming::ports(host)).transpose()?;
    if options.json {
        let both = [("fmes", fmes), ("ports", ports)];
        let document: Map<String, Value> =
            both.into_iter().filter_map(|(key, names)| Some((key.to_owned(), names?.into()))).collect();
        return Ok(print_json(&document.into(), out)?);
    }
    for (title, names) in [("FMEs", fmes), ("Ports", ports)] {
        let Some(names) = names else { continue };
        if !options.quiet {
            writeln!(out, "Detected FPGA {title}: {}", names.len())?;
        }
        for name in names {
            writeln!(out, "{name}")?;
        }
    }
    Ok(())
}
