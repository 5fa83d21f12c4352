//! `setup qat`: configures the physical functions of a node, makes their virtual ones, and gives these to VFIO.
//!
//! It does what the Go implementation's init container does, and does it again as often as wanted: it changes only what is
//! not yet as it should be. `config` is what is wanted, `services` which services can go together, `physical` which functions
//! there are, `work` what is to be written, in which order, `former` what it was before.

mod config;
mod former;
mod physical;
mod services;
mod work;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use cli::{FlagSet, LogOptions, Stop};
use device_plugin::error_chain;
use host::plan::PlanError;
use host::{Host, Plan};

use crate::DpdkDriver;
use crate::users::{self, Open};
use config::Config;
use former::Former;
use physical::{Ids, Physical};
use work::Work;

/// Which physical functions to prepare; the Go implementation's variable.
const IDS_VARIABLE: &str = "ENABLED_QAT_PF_PCIIDS";

#[derive(Debug)]
struct Options {
    dry_run: bool,
    /// Before `/sys` and `/dev`.
    prefix: String,
    config_dir: String,
    node_name: String,
    num_vfs: i64,
    logs: LogOptions,
}

/// What is to be done, on which node.
#[derive(Debug)]
struct Setup {
    host: Host,
    ids: Ids,
    config: Config,
    /// Of each physical function; 0 is all that it can have.
    num_vfs: u16,
    open: Open,
}

impl Options {
    fn parse(program: &str, args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self {
            dry_run: false,
            prefix: String::new(),
            config_dir: "/qat-init/conf".to_owned(),
            node_name: std::env::var("NODE_NAME").unwrap_or_default(),
            num_vfs: 0,
            logs: LogOptions::default(),
        };
        let mut flags = FlagSet::new(
            program,
            "Prepares a node's Intel QAT for the device plugin: services, auto-reset, virtual functions bound to vfio-pci. Needs \
             root. The variable ENABLED_QAT_PF_PCIIDS has the PCI device ids of the physical functions to prepare; all that are \
             known when empty.",
        );
        flags.bool("dry-run", &mut options.dry_run, "only print what would be written, one write a line");
        flags.string(
            "config-dir",
            &mut options.config_dir,
            "folder of qat.conf and qat-NODE.conf, which has precedence; lines are ServicesEnabled=SERVICES and \
             AutoresetEnabled=on or off",
        );
        flags.string(
            "node-name",
            &mut options.node_name,
            "name of the node, for qat-NODE.conf; the default is $NODE_NAME",
        );
        flags.int(
            "num-vfs",
            &mut options.num_vfs,
            "how many virtual functions to ask for, of each physical one; 0 for all that it can have",
        );
        flags.string(
            "prefix",
            &mut options.prefix,
            "folder that holds the /sys and /dev to use, for simulated nodes",
        );
        options.logs.add_flags(&mut flags);
        flags.parse_all(args)?;
        Ok(options)
    }
}

/// Runs the command: exit code 0 when the node is as it should be, 1 and a line of the log that says why when it is not.
pub fn setup(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    cli::run(&options.logs, || {
        let ids = std::env::var(IDS_VARIABLE).unwrap_or_default();
        let setup = Setup::new(&options, &ids).map_err(|error| vec![error])?;
        if options.dry_run { setup.show(&mut std::io::stdout()) } else { setup.run() }
    })
}

impl Setup {
    fn new(options: &Options, ids: &str) -> Result<Self, String> {
        let given = options.num_vfs;
        let num_vfs =
            u16::try_from(given).ok().ok_or_else(|| format!("-num-vfs is {given}, not 0 to {}", u16::MAX))?;
        let ids = ids.parse().map_err(|error| format!("{IDS_VARIABLE}: {error}"))?;
        let config = Config::read(Path::new(&options.config_dir), &options.node_name)?;
        let host = Host::at(&options.prefix).map_err(|error| format!("-prefix: {}", error_chain(&error)))?;
        Ok(Self { host, ids, config, num_vfs, open: users::open })
    }

    /// All that is wrong is found before anything is changed, where it can be.
    fn physical_functions(&self) -> Result<Vec<Physical>, Vec<String>> {
        let found = physical::find(&self.host, &self.ids).map_err(|error| vec![error_chain(&error)])?;
        if found.is_empty() {
            tracing::info!("this node has no QAT");
            return Ok(found);
        }
        let driver = DpdkDriver::VfioPci.name();
        if !self.host.exists(Path::new("/sys/bus/pci/drivers").join(driver)) {
            return Err(vec![format!(
                "the driver {driver}, which virtual functions need, is not loaded: run `modprobe {driver}`"
            )]);
        }
        let wanted = self.config.services.as_ref();
        let errors = found.iter().filter_map(|physical| physical.check(wanted?).err());
        let errors: Vec<String> = errors.collect();
        if errors.is_empty() { Ok(found) } else { Err(errors) }
    }

    /// Prints what would be written.
    fn show(&self, out: &mut impl Write) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        for physical in self.physical_functions()? {
            match Work::plan(self, &physical, &mut |note| tracing::info!("{note}")) {
                Ok(work) => {
                    let plans: String = work.plans().map(Plan::to_string).collect();
                    out.write_all(plans.as_bytes())
                        .map_err(|error| vec![format!("cannot print: {error}")])?;
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Makes the node what it should be, and every physical function even if another cannot be.
    fn run(&self) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        for physical in self.physical_functions()? {
            let failed = self.prepare(&physical);
            if failed.is_empty() {
                tracing::info!("{} is ready", physical.describe());
            }
            errors.extend(failed);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The answer is what could not be done, and why.
    fn prepare(&self, physical: &Physical) -> Vec<String> {
        let mut said = BTreeSet::new();
        let mut note = |note: String| {
            if said.insert(note.clone()) {
                tracing::info!("{note}");
            }
        };
        let work = match self.configure(physical, &mut note) {
            Ok(work) => work,
            Err(error) => return vec![error],
        };
        let failed = work.others.iter().filter_map(|(what, plan)| {
            self.apply(plan).err().map(|error| format!("{what}: {}", error_chain(&error)))
        });
        failed.collect()
    }

    /// Returns what is left to do then.
    fn configure(&self, physical: &Physical, note: &mut impl FnMut(String)) -> Result<Work, String> {
        let at = physical.address();
        let work = Work::plan(self, physical, note)?;
        if work.configure.is_empty() {
            return Ok(work);
        }
        let former = Former::of(&self.host, &physical.function);
        if let Err(error) = self.apply(&work.configure) {
            let lost = former.lost(&Former::of(&self.host, &physical.function));
            return Err(explain(physical, &error, &lost));
        }
        // Virtual functions that could not be foreseen are there now.
        let work = Work::plan(self, physical, note)?;
        if work.configure.is_empty() {
            return Ok(work);
        }
        let missing = work.configure.to_string().trim_end().replace('\n', "; ");
        Err(format!("{at}: the kernel refused nothing, but this is still to be written: {missing}"))
    }

    fn apply(&self, plan: &Plan) -> Result<(), PlanError> {
        plan.apply(&self.host, |step| tracing::info!("{step}"))
    }
}

/// `lost` is what is not as it was before.
fn explain(physical: &Physical, error: &PlanError, lost: &[String]) -> String {
    let hint = if error.source.path.ends_with("sriov_numvfs") && error.value != "0" {
        "; is the IOMMU on (kernel option intel_iommu=on)?"
    } else if error.source.source.kind() == ErrorKind::ResourceBusy {
        "; something in the kernel uses it"
    } else {
        ""
    };
    let lost =
        if lost.is_empty() { String::new() } else { format!("; what is not as before: {}", lost.join(", ")) };
    format!("{}: {}{hint}{lost}", physical.address(), error_chain(error))
}

#[cfg(test)]
mod tests;
