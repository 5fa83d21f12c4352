//! `setup dlb`: makes virtual functions and gives them resources, as the Go implementation's init container does, and again
//! as often as wanted: it changes only what is not yet as it should be.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cli::{FlagSet, LogOptions, Stop, logs};
use device_plugin::error_chain;
use host::{Host, PciAddress, PciFunction, Plan};

const DRIVER: &str = "dlb2";
const DRIVERS: &str = "/sys/bus/pci/drivers/dlb2";

/// What one physical function has for its virtual ones: half of what there is, which is what the Go implementation gives to
/// its one (`drivers/misc/dlb2` of the out-of-tree driver, files `vfN_resources/num_*`).
const RESOURCES: [(&str, u64); 10] = [
    ("num_atomic_inflights", 2048),
    ("num_dir_credits", 2048),
    ("num_dir_ports", 8),
    ("num_hist_list_entries", 2048),
    ("num_ldb_credits", 8192),
    ("num_ldb_ports", 4),
    ("num_ldb_queues", 32),
    ("num_sched_domains", 32),
    ("num_sn0_slots", 2),
    ("num_sn1_slots", 2),
];

#[derive(Debug)]
struct Options {
    dry_run: bool,
    /// Before `/sys`.
    prefix: String,
    num_pfs: u64,
    num_vfs: u64,
    logs: LogOptions,
}

impl Options {
    fn parse(program: &str, args: Vec<OsString>) -> Result<Self, Stop> {
        let mut options = Self {
            dry_run: false,
            prefix: String::new(),
            num_pfs: 1,
            num_vfs: 1,
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
        flags.uint(
            "num-vfs",
            &mut options.num_vfs,
            "how many virtual functions of each, 1 to 16; they share what one would have",
        );
        flags.string("prefix", &mut options.prefix, "folder that holds the /sys to use, for simulated nodes");
        options.logs.add_flags(&mut flags);
        flags.parse(args)?;
        Ok(options)
    }
}

/// Runs the command: exit code 0 when the node is as it should be, 1 and a line of the log that says why when it is not.
pub fn setup(program: &str, args: Vec<OsString>) -> ExitCode {
    let options = match Options::parse(program, args) {
        Ok(options) => options,
        Err(stop) => return stop.report(),
    };
    if let Err(error) = logs::start(&options.logs) {
        return cli::fatal(error_chain(&error));
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let Ok(count @ 1..=16) = u16::try_from(options.num_vfs) else {
        return Err(format!("-num-vfs is {}, not 1 to 16", options.num_vfs));
    };
    let host = Host::at(&options.prefix).map_err(|error| format!("-prefix: {}", error_chain(&error)))?;
    let limit = if options.num_pfs == 0 {
        usize::MAX
    } else {
        usize::try_from(options.num_pfs).unwrap_or(usize::MAX)
    };
    let mut failed = Vec::new();
    for function in physical_functions(&host)?.into_iter().take(limit) {
        if let Err(error) = prepare(options, &host, &function, count) {
            failed.push(format!("{}: {error}", function.address()));
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

fn prepare(options: &Options, host: &Host, function: &PciFunction, count: u16) -> Result<(), String> {
    let at = function.address();
    let plan = plan(host, function, count, &mut |note| tracing::info!("{at}: {note}"))?;
    if options.dry_run {
        let printed = std::io::stdout().write_all(plan.to_string().as_bytes());
        return printed.map_err(|error| format!("cannot print: {error}"));
    }
    plan.apply(host, |step| tracing::info!("{step}")).map_err(|error| error_chain(&error))?;
    tracing::info!("{at} is ready");
    Ok(())
}

/// Those of the driver, sorted. A node without any is none of our business: the DaemonSet may run everywhere.
fn physical_functions(host: &Host) -> Result<Vec<PciFunction>, String> {
    let names = match host.names(DRIVERS) {
        Err(error) if error.is_not_found() => Vec::new(),
        names => names.map_err(|error| error_chain(&error))?,
    };
    let mut addresses: Vec<PciAddress> = names.iter().filter_map(|name| name.parse().ok()).collect();
    addresses.sort_unstable();
    let mut functions = Vec::new();
    for address in addresses {
        let function = PciFunction::at(host, address).map_err(|error| error_chain(&error))?;
        let total = function.sriov_totalvfs().map_err(|error| error_chain(&error))?;
        if total.is_some_and(|total| total > 0) {
            functions.push(function);
        }
    }
    if functions.is_empty() {
        tracing::info!("this node has no DLB on the driver {DRIVER} that can have virtual functions");
    }
    Ok(functions)
}

/// What is to be written for a physical function; `note` is told what stays as it is and why.
fn plan(
    host: &Host,
    function: &PciFunction,
    count: u16,
    note: &mut impl FnMut(String),
) -> Result<Plan, String> {
    let enabled = function.sriov_numvfs().map_err(|error| error_chain(&error))?.unwrap_or_default();
    let mut plan = Plan::default();
    if enabled > 0 {
        if enabled != count {
            note(format!("it keeps its {enabled} virtual functions: they may be in use"));
        }
        let virtual_functions = function.virtual_functions().map_err(|error| error_chain(&error))?;
        for (number, one) in virtual_functions.iter().enumerate() {
            complete(host, function, number, enabled, one, &mut plan, note)?;
        }
        return Ok(plan);
    }
    let total = function.sriov_totalvfs().map_err(|error| error_chain(&error))?.unwrap_or_default();
    if count > total {
        return Err(format!("it can have {total} virtual functions, not {count}"));
    }
    let Some(addresses) = function.virtual_addresses(count) else {
        return Err("the kernel does not say where its virtual functions will be (sriov_offset, Linux 4.15)"
            .to_owned());
    };
    // They are to have resources before the driver looks at them.
    let folder = Path::new("/sys/bus/pci/devices").join(function.address().to_string());
    let (number, probe) = (folder.join("sriov_numvfs"), folder.join("sriov_drivers_autoprobe"));
    let set = |plan: &mut Plan, value| plan.set(host, &probe, value).map_err(|error| error_chain(&error));
    let probes = set(&mut plan, "0")?;
    plan.write(&number, count.to_string(), Some((number.clone(), "0".to_owned())));
    if probes {
        plan.write(&probe, "1", Some((probe.clone(), "0".to_owned())));
    }
    for (number, address) in addresses.into_iter().enumerate() {
        give_resources(function, number, count, &mut plan);
        bind(address, &mut plan);
    }
    Ok(plan)
}

/// Gives a virtual function that is there what it lacks: resources, its driver.
fn complete(
    host: &Host,
    physical: &PciFunction,
    number: usize,
    of: u16,
    function: &PciFunction,
    plan: &mut Plan,
    note: &mut impl FnMut(String),
) -> Result<(), String> {
    let address = function.address();
    let driver = function.driver().map_err(|error| error_chain(&error))?;
    match driver.as_deref() {
        None | Some(DRIVER) => {}
        Some(other) => {
            note(format!("{address} is left alone: it is bound to {other}"));
            return Ok(());
        }
    }
    // With nothing, nobody can use it.
    if has_nothing(host, physical, number)? {
        if driver.is_some() {
            let (bind, unbind) = (format!("{DRIVERS}/bind"), format!("{DRIVERS}/unbind"));
            plan.write(unbind, address.to_string(), Some((bind.into(), address.to_string())));
        }
        give_resources(physical, number, of, plan);
        bind(address, plan);
    } else if driver.is_none() {
        bind(address, plan);
    }
    Ok(())
}

fn has_nothing(host: &Host, physical: &PciFunction, number: usize) -> Result<bool, String> {
    for (name, _) in RESOURCES {
        let has = host.parse::<u64>(resource(physical, number, name), "a number of resources");
        if has.map_err(|error| error_chain(&error))? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn resource(physical: &PciFunction, number: usize, name: &str) -> PathBuf {
    PathBuf::from(format!("/sys/bus/pci/devices/{}/vf{number}_resources/{name}", physical.address()))
}

fn give_resources(physical: &PciFunction, number: usize, of: u16, plan: &mut Plan) {
    for (name, all) in RESOURCES {
        let path = resource(physical, number, name);
        let undo = Some((path.clone(), "0".to_owned()));
        plan.write(path, (all / u64::from(of)).to_string(), undo);
    }
}

fn bind(address: PciAddress, plan: &mut Plan) {
    let (bind, unbind) = (format!("{DRIVERS}/bind"), format!("{DRIVERS}/unbind"));
    plan.write(bind, address.to_string(), Some((unbind.into(), address.to_string())));
}

#[cfg(test)]
mod tests;
