//! Which driver the PCI functions have: idxd, or one that gives them to virtual machines.

use std::fmt;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use device_plugin::error_chain;
use host::{Host, HostError, PciFunction, PciId, Plan, pci};

use super::accelerator::Accelerator;
use super::apply;
use super::attributes::{Name, number_of};
use super::layout::Layout;
use super::options::Driver;
use crate::family::Family;

const INTEL: PciId = PciId(0x8086);

impl Driver {
    fn module(self) -> &'static str {
        match self {
            Self::Idxd => "idxd",
            // The driver refuses the oldest DSA otherwise: its list of devices that can stop a machine.
            Self::VfioPci => "vfio-pci disable_denylist=1",
        }
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idxd => "idxd",
            Self::VfioPci => "vfio-pci",
        })
    }
}

/// The node's functions of Intel with one of these ids, by address. One that cannot be read is an error of its own.
pub(crate) fn functions(host: &Host, ids: &[PciId]) -> (Vec<PciFunction>, Vec<String>) {
    let addresses = match pci::addresses(host) {
        Ok(addresses) => addresses,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return (Vec::new(), vec![error_chain(&error)]),
    };
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for address in addresses {
        let look = || -> Result<Option<PciFunction>, HostError> {
            let function = PciFunction::at(host, address)?;
            let is_wanted = function.vendor()? == INTEL && ids.contains(&function.device()?);
            Ok(is_wanted.then_some(function))
        };
        match look() {
            Ok(function) => found.extend(function),
            Err(error) if error.is_not_found() => {}
            Err(error) => errors.push(format!("{address}: {}", error_chain(&error))),
        }
    }
    (found, errors)
}

/// Whether a driver is loaded; the error says how to.
pub(crate) fn check_loaded(host: &Host, driver: Driver, functions: &[&PciFunction]) -> Result<(), String> {
    if functions.is_empty() || host.exists(format!("/sys/bus/pci/drivers/{driver}")) {
        return Ok(());
    }
    let addresses: Vec<String> = functions.iter().map(|function| function.address().to_string()).collect();
    Err(format!(
        "the driver {driver}, which {} should have, is not loaded; run `modprobe {}` on the node",
        addresses.join(", "),
        driver.module()
    ))
}

/// The writes that give a function a driver. It is refused to take it from somebody who uses it.
pub(crate) fn plan(
    host: &Host,
    family: &Family,
    function: &PciFunction,
    driver: Driver,
) -> Result<Plan, String> {
    let mut plan = Plan::default();
    let fail = |error: HostError| error_chain(&error);
    if !plan.bind(function, &driver.to_string()).map_err(fail)? {
        return Ok(plan);
    }
    match function.driver().map_err(fail)?.as_deref() {
        Some("idxd") => check_idle(host, family, function)?,
        Some("vfio-pci") => check_closed(host, function)?,
        _ => {}
    }
    Ok(plan)
}

/// Gives a function its driver, and looks whether it has it then. When that fails, it has its former driver again, and what
/// that had made of it is configured as before: the kernel forgot it.
pub(crate) fn apply(host: &Host, family: &Family, function: &PciFunction, plan: &Plan) -> Result<(), String> {
    let address = function.address();
    let former = function.driver().map_err(|error| error_chain(&error))?;
    let mut formers = Vec::new();
    for accelerator in accelerators(host, family, function)? {
        let layout = Layout::of(&accelerator)?;
        formers.push((accelerator, layout));
    }
    if let Err(error) = plan.apply(host, |step| tracing::info!("{address}: {step}")) {
        let mut error = error_chain(&error);
        for (accelerator, layout) in &formers {
            error += &format!("; {}: {}", accelerator.name, apply::restore(accelerator, layout));
        }
        return Err(error);
    }
    match function.driver() {
        Ok(driver) if driver.is_some() && driver != former => Ok(()),
        Ok(_) => Err("the kernel took all writes, but the function has another driver".to_owned()),
        Err(error) => Err(error_chain(&error)),
    }
}

/// What the driver idxd made of a function.
fn accelerators<'a>(
    host: &'a Host,
    family: &Family,
    function: &PciFunction,
) -> Result<Vec<Accelerator<'a>>, String> {
    let names = host.names(function.folder()).map_err(|error| error_chain(&error))?;
    let accelerator = |device: String| {
        let index = device.strip_prefix(family.device).and_then(number_of)?;
        Some(Accelerator { host, name: Name { device, index } })
    };
    Ok(names.into_iter().filter_map(accelerator).collect())
}

fn check_idle(host: &Host, family: &Family, function: &PciFunction) -> Result<(), String> {
    for accelerator in accelerators(host, family, function)? {
        if let Some((queue, clients)) = accelerator.busy()? {
            return Err(format!("{queue} is in use (clients: {clients})"));
        }
    }
    Ok(())
}

/// The kernel would wait, maybe for ever, until the program that uses the function ends.
fn check_closed(host: &Host, function: &PciFunction) -> Result<(), String> {
    let Some(group) = function.vfio_group().map_err(|error| error_chain(&error))? else { return Ok(()) };
    let node = format!("/dev/vfio/{group}");
    // On a simulated node it is a stand-in, or has a number that may be anybody's on this machine.
    if host.is_simulated() || !host.exists(&node) {
        return Ok(());
    }
    // A group can be open once.
    match OpenOptions::new().read(true).write(true).open(Path::new(&node)) {
        Err(error) if error.kind() == ErrorKind::ResourceBusy => {
            Err(format!("a program uses it: {node} is open"))
        }
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(format!("it is not known whether a program uses it: cannot open {node}: {error}"))
        }
        _ => Ok(()),
    }
}
