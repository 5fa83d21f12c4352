//! A card's ports and its management engine.

use std::path::{Path, PathBuf};

use device_plugin::error_chain;
use host::{Host, HostError, PciAddress, PciFunction};

use crate::driver::{Driver, is_numbered};
use crate::name::{ID, Id};

/// "Processing accelerator", which FPGA cards call themselves.
const CLASS: &str = "0x120000";

/// A port: the way to the function that is programmed behind it.
#[derive(Debug)]
pub(crate) struct Port {
    /// `dfl-port.0`; its node has the same name.
    pub(crate) name: String,
    /// Below `/sys/devices`.
    folder: PathBuf,
    /// The PCI function that it belongs to: the card's, or a virtual one of it.
    pub(crate) function: PciFunction,
    pub(crate) engine: Engine,
}

/// A management engine.
#[derive(Debug)]
pub(crate) struct Engine {
    driver: Driver,
    /// `dfl-fme.0`; its node has the same name.
    pub(crate) name: String,
    /// Below `/sys/devices`.
    folder: PathBuf,
}

/// An id, and the file that it was read from.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) id: Id,
    pub(crate) file: PathBuf,
}

impl Found {
    fn read(host: &Host, file: PathBuf) -> Result<Self, HostError> {
        Ok(Self { id: host.parse(&file, ID)?, file })
    }
}

impl Port {
    /// The port `name` of the card `card`.
    pub(crate) fn find(host: &Host, driver: Driver, card: &str, name: &str) -> Result<Self, String> {
        let text = |error: HostError| error_chain(&error);
        host.device_number(format!("/dev/{name}")).map_err(text)?;
        let folder = host.resolve(format!("{}/{card}/{name}", driver.class())).map_err(text)?;
        let function = function_above(host, &folder).map_err(text)?;
        let class = host.read(function.folder().join("class")).map_err(text)?;
        if class != CLASS {
            let address = function.address();
            return Err(format!("the PCI function {address} is of class {class}, not {CLASS}"));
        }
        // A virtual function has no engine of its own.
        let card = function.physical_function().map_err(text)?.unwrap_or_else(|| function.clone());
        let engine = Engine::find(host, driver, &card)?;
        Ok(Self { name: name.to_owned(), folder, function, engine })
    }

    /// The id of the function that is programmed now. Reading it fails while the port is disabled.
    pub(crate) fn function_id(&self, host: &Host) -> Result<Found, String> {
        Found::read(host, self.folder.join("afu_id")).map_err(|error| error_chain(&error))
    }

    /// Its number on the card.
    fn number(&self, host: &Host) -> Result<usize, String> {
        host.parse(self.folder.join("id"), "the number of a port").map_err(|error| error_chain(&error))
    }
}

impl Engine {
    /// The management engine of the card that is this PCI function.
    fn find(host: &Host, driver: Driver, function: &PciFunction) -> Result<Self, String> {
        let none = || format!("the card at {} has no management engine", function.address());
        let all = function.folder().join(driver.folder_of_cards());
        let cards = match host.names(&all) {
            Err(error) if error.is_not_found() => return Err(none()),
            cards => cards.map_err(|error| error_chain(&error))?,
        };
        for folder in cards.iter().map(|card| all.join(card)) {
            // A file among them is no card.
            let Ok(entries) = host.names(&folder) else { continue };
            if let Some(name) = entries.into_iter().find(|name| driver.is_engine(name)) {
                return Ok(Self { driver, folder: folder.join(&name), name });
            }
        }
        Err(none())
    }

    /// The id of the interface between the card and what can be programmed behind `port`, or without one behind any of its
    /// ports.
    pub(crate) fn interface(&self, host: &Host, port: Option<&Port>) -> Result<Found, String> {
        let mut interfaces = self.interfaces(host).map_err(|error| error_chain(&error))?;
        let Some(first) = interfaces.first() else {
            return Err(format!("{} has no region that can be programmed", self.folder.display()));
        };
        // They all are the engine's own (drivers/fpga/dfl-fme-region.c).
        if interfaces.iter().all(|interface| interface.id == first.id) {
            return Ok(interfaces.swap_remove(0));
        }
        let differ = || format!("the regions of {} have different interfaces", self.folder.display());
        let port = port.ok_or_else(differ)?;
        // The driver makes a region for each port that the card has, in their order (drivers/fpga/dfl-fme-pr.c). Which
        // port is whose does not show where it has left one out.
        let ports: usize = host
            .parse(self.folder.join("ports_num"), "a number of ports")
            .map_err(|error| error_chain(&error))?;
        let number = port.number(host)?;
        if ports != interfaces.len() || number >= ports {
            return Err(format!("{}, and which is that of port {number} does not show", differ()));
        }
        Ok(interfaces.swap_remove(number))
    }

    /// The interface ids of its regions, in the order in which the driver made them.
    fn interfaces(&self, host: &Host) -> Result<Vec<Found>, HostError> {
        if self.driver == Driver::Opae {
            return Ok(vec![Found::read(host, self.folder.join("pr/interface_id"))?]);
        }
        let mut regions = host.names(&self.folder)?;
        regions.retain(|name| is_numbered(name, "dfl-fme-region."));
        regions.sort_by(|a, b| device_plugin::policy::natural(a, b));
        let mut found = Vec::new();
        for region in regions {
            let folder = self.folder.join(region).join("fpga_region");
            let names = match host.names(&folder) {
                // Its driver is not loaded yet.
                Err(error) if error.is_not_found() => continue,
                names => names?,
            };
            for name in names.iter().filter(|name| is_numbered(name, "region")) {
                found.push(Found::read(host, folder.join(name).join("compat_id"))?);
            }
        }
        Ok(found)
    }
}

/// The PCI function that a device is a part of.
fn function_above(host: &Host, folder: &Path) -> Result<PciFunction, HostError> {
    let is_function = |path: &&Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().parse::<PciAddress>().is_ok())
    };
    PciFunction::of(host, folder.ancestors().find(is_function).unwrap_or(folder))
}
