//! Where the virtual functions are.

use std::path::Path;

use device_plugin::error_chain;
use host::{Host, HostError, PciAddress, PciFunction, pci};

use crate::Config;
use crate::generation::{self, INTEL};

/// A virtual function that may be offered.
#[derive(Debug)]
pub(crate) struct VirtualFunction {
    /// It.
    pub(crate) function: PciFunction,
    /// What it is a part of; unknown in a virtual machine.
    pub(crate) physical: Option<PciFunction>,
}

impl VirtualFunction {
    /// Whether an administrator chooses which services it offers.
    pub(crate) fn has_services(&self) -> Result<bool, HostError> {
        let generation = generation::of_vf(self.function.device()?);
        Ok(generation.is_some_and(|generation| generation.has_services))
    }
}

/// The virtual functions of a node.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In the order in which they count towards the limit.
    pub(crate) functions: Vec<VirtualFunction>,
    /// What could not be looked at, and what the limit leaves out.
    pub(crate) warnings: Vec<String>,
}

/// Those of the physical functions on the drivers of the configured generations; where there are none, as in a virtual
/// machine, those with device ids of these generations.
pub(crate) fn find(host: &Host, config: &Config) -> Result<Found, HostError> {
    let mut found = Found::default();
    let mut physical = Vec::new();
    for generation in &config.generations {
        physical.extend(on_driver(host, generation.pf_driver, &mut found.warnings)?);
    }
    for function in &physical {
        found.add_virtual_of(host, function);
    }
    if physical.is_empty() {
        found.add_by_id(host, config)?;
    }
    let (all, limit) = (found.functions.len(), config.max_devices);
    if all > limit {
        found.functions.truncate(limit);
        let left_out = all - limit;
        found
            .warnings
            .push(format!("{left_out} of {all} virtual functions are left out: -max-num-devices is {limit}"));
    }
    Ok(found)
}

/// The functions that are bound to a driver, sorted.
fn on_driver(host: &Host, driver: &str, warnings: &mut Vec<String>) -> Result<Vec<PciFunction>, HostError> {
    let folder = Path::new("/sys/bus/pci/drivers").join(driver);
    let names = match host.names(&folder) {
        // The driver is not loaded.
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        names => names?,
    };
    let mut addresses: Vec<PciAddress> = names.iter().filter_map(|name| name.parse().ok()).collect();
    addresses.sort_unstable();
    let links = addresses.iter().map(|address| folder.join(address.to_string()));
    Ok(links.filter_map(|link| follow(host, &link, warnings)).collect())
}

/// The function that a link leads to, unless it is gone, or there is something wrong with it.
fn follow(host: &Host, link: &Path, warnings: &mut Vec<String>) -> Option<PciFunction> {
    match PciFunction::of(host, link) {
        Ok(function) => Some(function),
        // The link went meanwhile, and with it the function.
        Err(_) if is_gone(host, link) => None,
        Err(error) => {
            warnings.push(format!("a function is left out: {}", error_chain(&error)));
            None
        }
    }
}

fn is_gone(host: &Host, link: &Path) -> bool {
    host.link_target(link).is_err_and(|error| error.is_not_found())
}

impl Found {
    fn add_virtual_of(&mut self, host: &Host, physical: &PciFunction) {
        let names = match host.names(physical.folder()) {
            Ok(names) => names,
            Err(error) if error.is_not_found() => return,
            Err(error) => {
                let at = physical.address();
                let error = error_chain(&error);
                return self.warnings.push(format!("virtual functions of {at} are left out: {error}"));
            }
        };
        let mut numbers: Vec<u32> =
            names.iter().filter_map(|name| name.strip_prefix("virtfn")?.parse().ok()).collect();
        numbers.sort_unstable();
        for number in numbers {
            match physical.virtual_function(number) {
                Ok(function) => {
                    self.functions.push(VirtualFunction { function, physical: Some(physical.clone()) });
                }
                // The link went meanwhile, and with it the function.
                Err(_) if is_gone(host, &physical.folder().join(format!("virtfn{number}"))) => {}
                Err(error) => self.warnings.push(format!("a function is left out: {}", error_chain(&error))),
            }
        }
    }

    fn add_by_id(&mut self, host: &Host, config: &Config) -> Result<(), HostError> {
        let addresses = match pci::addresses(host) {
            // No PCI at all.
            Err(error) if error.is_not_found() => return Ok(()),
            addresses => addresses?,
        };
        for address in addresses {
            let link = Path::new("/sys/bus/pci/devices").join(address.to_string());
            let Some(function) = follow(host, &link, &mut self.warnings) else { continue };
            match is_wanted(&function, config) {
                Ok(true) => {
                    let physical = self.physical_of(&function);
                    self.functions.push(VirtualFunction { function, physical });
                }
                Ok(false) => {}
                Err(_) if !host.exists(function.folder()) => {}
                Err(error) => self.warnings.push(format!("{address} is left out: {}", error_chain(&error))),
            }
        }
        Ok(())
    }

    fn physical_of(&mut self, function: &PciFunction) -> Option<PciFunction> {
        function.physical_function().unwrap_or_else(|error| {
            let at = function.address();
            self.warnings.push(format!("services and health of {at} are not known: {}", error_chain(&error)));
            None
        })
    }
}

fn is_wanted(function: &PciFunction, config: &Config) -> Result<bool, HostError> {
    // Other vendors have the same device ids.
    Ok(function.vendor()? == INTEL
        && generation::of_vf(function.device()?)
            .is_some_and(|generation| config.generations.contains(&generation)))
}
