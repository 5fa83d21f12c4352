//! A card's ports and its management engine.

use std::path::{Path, PathBuf};

use device_plugin::error_chain;
use host::{Host, HostError, PciAddress, PciFunction};

use crate::driver::{Driver, is_numbered};

/// "Processing accelerator", which FPGA cards call themselves.
const CLASS: &str = "0x120000";

/// A port: the way to the function that is programmed behind it.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    /// `dfl-port.0`; its node has the same name.
    pub(crate) name: String,
    /// Below `/sys/devices`.
    pub(crate) folder: PathBuf,
    /// The PCI function that it belongs to: the card's, or a virtual one of it.
    pub(crate) function: PciFunction,
    pub(crate) engine: Engine,
}

/// A management engine.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    /// `dfl-fme.0`; its node has the same name.
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
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
            return Err(format!(
                "the PCI function {address} is of class {class}, not {CLASS} (an accelerator)"
            ));
        }
        // A virtual function has no engine of its own.
        let card = function.physical_function().map_err(text)?.unwrap_or_else(|| function.clone());
        let engine = Engine::find(host, driver, &card)?;
        Ok(Self { name: name.to_owned(), folder, function, engine })
    }

    /// Where the id of its function is. Reading it fails while the port is disabled.
    pub(crate) fn function_id_file(&self) -> PathBuf {
        self.folder.join("afu_id")
    }

    /// Its number on the card.
    fn number(&self, host: &Host) -> Result<usize, HostError> {
        host.parse(self.folder.join("id"), "the number of a port")
    }

    /// The id of the interface between the card and what can be programmed behind this port.
    pub(crate) fn interface(&self, host: &Host, driver: Driver) -> Result<String, String> {
        let text = |error: HostError| error_chain(&error);
        let folder = &self.engine.folder;
        if driver == Driver::Opae {
            return host.read(folder.join("pr/interface_id")).map_err(text);
        }
        let ids = interfaces(host, folder).map_err(text)?;
        let mut distinct = ids.clone();
        distinct.dedup();
        match distinct.as_slice() {
            [] => Err(format!("{} has no region that can be programmed", folder.display())),
            [id] => Ok(id.clone()),
            // The driver makes a region for each port, in their order (drivers/fpga/dfl-fme-pr.c).
            _ => {
                let number = self.number(host).map_err(text)?;
                let id = ids.get(number).cloned();
                id.ok_or_else(|| format!("{} has no region for port {number}", folder.display()))
            }
        }
    }
}

/// The interface ids of an engine's regions, in the order in which the driver made them.
fn interfaces(host: &Host, engine: &Path) -> Result<Vec<String>, HostError> {
    let mut regions: Vec<String> = host.names(engine)?;
    regions.retain(|name| is_numbered(name, "dfl-fme-region."));
    regions.sort_by(|a, b| device_plugin::policy::natural(a, b));
    let mut ids = Vec::new();
    for region in regions {
        let folder = engine.join(region).join("fpga_region");
        for name in host.names(&folder)?.iter().filter(|name| is_numbered(name, "region")) {
            ids.push(host.read(folder.join(name).join("compat_id"))?);
        }
    }
    Ok(ids)
}

impl Engine {
    /// The management engine of the card that is this PCI function.
    fn find(host: &Host, driver: Driver, function: &PciFunction) -> Result<Self, String> {
        let all = function.folder().join(driver.folder_of_cards());
        let cards = host.names(&all).map_err(|error| error_chain(&error))?;
        for folder in cards.iter().map(|card| all.join(card)) {
            // A file among them is no card.
            let Ok(entries) = host.names(&folder) else { continue };
            if let Some(name) = entries.into_iter().find(|name| driver.is_engine(name)) {
                return Ok(Self { folder: folder.join(&name), name });
            }
        }
        Err(format!("the card at {} has no management engine", function.address()))
    }
}

/// The PCI function that a device is a part of.
fn function_above(host: &Host, folder: &Path) -> Result<PciFunction, HostError> {
    let is_function = |path: &&Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().parse::<PciAddress>().is_ok())
    };
    PciFunction::of(host, folder.ancestors().find(is_function).unwrap_or(folder))
}
