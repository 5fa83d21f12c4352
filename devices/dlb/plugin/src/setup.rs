//! `setup dlb`: makes virtual functions and gives them resources.
//!
//! It does what the Go implementation's init container does, and does it again as often as wanted: it changes only what is
//! not yet as it should be. `resources` is what a virtual function gets, `work` what is to be written, in which order.

mod resources;
mod work;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use cli::{FlagSet, LogOptions, Stop};
use device_plugin::error_chain;
use host::plan::{Outcome, PlanError};
use host::{Host, HostError, PciAddress, PciFunction, Plan};

use resources::Wanted;
use work::{DRIVER, DRIVERS, Work};

/// A DLB has no more virtual functions.
const MAX_VFS: u16 = 16;

#[derive(Debug)]
struct Options {
    dry_run: bool,
    /// Before `/sys`.
    prefix: String,
    num_pfs: u64,
    num_vfs: u64,
    vf_resources: String,
    logs: LogOptions,
}

/// What is to be done, on which node.
#[derive(Debug)]
struct Setup {
    host: Host,
    /// How many physical functions are prepared at most.
    limit: usize,
    /// How many virtual functions each of them gets.
    num_vfs: u16,
    wanted: Wanted,
}

impl Options {
    fn parse(program: &str, args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self {
            dry_run: false,
            prefix: String::new(),
            num_pfs: 1,
            num_vfs: 1,
            vf_resources: String::new(),
            logs: LogOptions::default(),
        };
        let mut flags = FlagSet::new(
            program,
            "Prepares a node's Intel DLB for the device plugin: makes virtual functions and gives them resources. Needs root.",
        );
        flags.bool("dry-run", &mut options.dry_run, "only print what would be written, one write a line");
        flags.uint(
            "num-pfs",
            &mut options.num_pfs,
            "how many physical functions to prepare, the first ones; 0 for all",
        );
        flags.uint("num-vfs", &mut options.num_vfs, "how many virtual functions of each, 1 to 16");
        flags.string(
            "vf-resources",
            &mut options.vf_resources,
            "what each virtual function gets, such as num_ldb_ports=16,num_dir_ports=16; the usual for what is left out",
        );
        flags.string("prefix", &mut options.prefix, "folder that holds the /sys to use, for simulated nodes");
        options.logs.add_flags(&mut flags);
        flags.parse_all(args)?;
        Ok(options)
    }
}

/// Runs the command: exit code 0 when the node is as it should be, or has nothing to prepare; 1 and a line of the log that
/// says why when it is not.
pub fn setup(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    cli::run(&options.logs, || {
        let setup = Setup::new(&options).map_err(|error| vec![error])?;
        if options.dry_run { setup.show(&mut std::io::stdout()) } else { setup.run() }
    })
}

impl Setup {
    fn new(options: &Options) -> Result<Self, String> {
        let Ok(num_vfs @ 1..=MAX_VFS) = u16::try_from(options.num_vfs) else {
            return Err(format!("-num-vfs is {}, not 1 to {MAX_VFS}", options.num_vfs));
        };
        let limit = match usize::try_from(options.num_pfs) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(number) => number,
        };
        let wanted = options.vf_resources.parse().map_err(|error| format!("-vf-resources: {error}"))?;
        let host = Host::at(&options.prefix).map_err(|error| format!("-prefix: {}", error_chain(&error)))?;
        Ok(Self { host, limit, num_vfs, wanted })
    }

    /// Prints what would be written.
    fn show(&self, out: &mut impl Write) -> Result<(), Vec<String>> {
        self.each(|work, note| {
            let plan = work.plan(note)?;
            out.write_all(plan.to_string().as_bytes()).map_err(|error| format!("cannot print: {error}"))
        })
    }

    fn run(&self) -> Result<(), Vec<String>> {
        self.each(prepare)
    }

    /// Does something with each physical function to prepare, even if another fails. The error is what failed.
    fn each(
        &self,
        mut act: impl FnMut(&Work<'_>, &mut dyn FnMut(String)) -> Result<(), String>,
    ) -> Result<(), Vec<String>> {
        let mut errors = Vec::new();
        let mut count = 0;
        for address in self.bound().map_err(|error| vec![error])? {
            if count == self.limit {
                break;
            }
            let mut said = BTreeSet::new();
            let mut note = |note: String| {
                if said.insert(note.clone()) {
                    tracing::info!("{address}: {note}");
                }
            };
            let physical = match self.physical(address) {
                Ok(None) => continue,
                Ok(Some(physical)) => Ok(physical),
                Err(error) => Err(error),
            };
            count += 1;
            let (host, num_vfs, wanted) = (&self.host, self.num_vfs, &self.wanted);
            let acted = physical
                .and_then(|physical| act(&Work { host, physical: &physical, num_vfs, wanted }, &mut note));
            errors.extend(acted.err().map(|error| format!("{address}: {error}")));
        }
        if count == 0 {
            // The DaemonSet may run everywhere.
            tracing::info!("this node has no DLB on the driver {DRIVER} that can have virtual functions");
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The functions of the driver, sorted.
    fn bound(&self) -> Result<Vec<PciAddress>, String> {
        let names = match self.host.names(DRIVERS) {
            Err(error) if error.is_not_found() => Vec::new(),
            names => names.map_err(|error| error_chain(&error))?,
        };
        let mut addresses: Vec<PciAddress> = names.iter().filter_map(|name| name.parse().ok()).collect();
        addresses.sort_unstable();
        Ok(addresses)
    }

    /// The function there, if it can have virtual ones.
    fn physical(&self, address: PciAddress) -> Result<Option<PciFunction>, String> {
        let look = || {
            let function = PciFunction::at(&self.host, address)?;
            let total = function.sriov_totalvfs()?;
            Ok(total.is_some_and(|total| total > 0).then_some(function))
        };
        // One that has just gone is none.
        look().or_else(
            |error: HostError| if error.is_not_found() { Ok(None) } else { Err(error_chain(&error)) },
        )
    }
}

/// Makes a physical function what it should be.
fn prepare(work: &Work<'_>, note: &mut dyn FnMut(String)) -> Result<(), String> {
    let first = work.plan(note)?;
    if let Err(error) = apply(work, &first) {
        if cannot_write(&error) {
            tracing::warn!("{} stays as it is: {}", work.physical.address(), error_chain(&error));
            return Ok(());
        }
        return Err(error_chain(&error));
    }
    let had_none = first.steps().iter().any(|step| step.path.ends_with("sriov_numvfs"));
    let rest = finish(work, note).map_err(|error| match had_none.then(|| apply(work, &work.plan_none())) {
        None => error,
        Some(Ok(())) => format!("{error}; its virtual functions are disabled again"),
        Some(Err(undo)) => format!("{error}; its virtual functions stay enabled: {}", error_chain(&undo)),
    });
    rest?;
    tracing::info!("{} is ready", work.physical.address());
    Ok(())
}

/// Does what could not be foreseen, and looks whether all is done.
fn finish(work: &Work<'_>, note: &mut dyn FnMut(String)) -> Result<(), String> {
    let rest = work.plan(note)?;
    if rest.is_empty() {
        return Ok(());
    }
    apply(work, &rest).map_err(|error| error_chain(&error))?;
    let missing = work.plan(note)?;
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.to_string().trim_end().replace('\n', "; ");
    Err(format!("the kernel refused nothing, but this is still to be written: {missing}"))
}

fn apply(work: &Work<'_>, plan: &Plan) -> Result<(), PlanError> {
    plan.apply(work.host, |step| tracing::info!("{step}"))
}

/// Virtual functions cannot be enabled here at all, as in a container that may not write to `/sys`. The node can do without.
fn cannot_write(error: &PlanError) -> bool {
    let refused = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];
    let path = &error.source.path;
    let enables = path.ends_with("sriov_numvfs") || path.ends_with("sriov_drivers_autoprobe");
    matches!(error.outcome, Outcome::Nothing) && enables && refused.contains(&error.source.source.kind())
}

#[cfg(test)]
mod tests;
