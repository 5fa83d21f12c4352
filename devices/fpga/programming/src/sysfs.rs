//! Where cards are in sysfs, and what their interfaces are. None of this needs a device node.

use std::path::{Path, PathBuf};

use fpga_bitstream::Id;
use host::{Host, HostError, PciAddress, PciFunction, number_of};

use crate::{Driver, Error};

/// "Processing accelerator", which FPGA cards call themselves.
const CLASS: &str = "0x120000";

/// The id of an interface or a function, and the attribute that says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// All ones if the card does not answer.
    pub id: Id,
    /// The attribute.
    pub file: PathBuf,
}

impl Found {
    /// Reads an attribute.
    pub fn read(host: &Host, file: PathBuf) -> Result<Self, HostError> {
        Ok(Self { id: host.parse(&file, Id::EXPECTED)?, file })
    }
}

/// The PCI function that a port or a management engine is a part of, given its folder below `/sys/devices`.
pub fn card_of(host: &Host, folder: &Path) -> Result<PciFunction, Error> {
    let is_function = |path: &&Path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().parse::<PciAddress>().is_ok())
    };
    let function = PciFunction::of(host, folder.ancestors().find(is_function).unwrap_or(folder))?;
    let class = host.read(function.folder().join("class"))?;
    if class != CLASS {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Err(Error::Class { name, function: function.address(), class });
    }
    Ok(function)
}

/// The folder of the management engine that programs the ports of a card. A virtual function has none of its own: it is the
/// physical one's.
pub fn fme_folder(host: &Host, driver: &dyn Driver, card: &PciFunction) -> Result<PathBuf, Error> {
    let physical = card.physical_function()?;
    let card = physical.as_ref().unwrap_or(card);
    let all = card.folder().join(driver.cards());
    let mut found = Vec::new();
    for folder in names(host, &all)?.into_iter().map(|name| all.join(name)) {
        // A file among them is no card.
        let Ok(names) = host.names(&folder) else { continue };
        let fmes = names.iter().filter(|name| number_of(name, driver.fme_prefix()).is_some());
        found.extend(fmes.map(|name| folder.join(name)));
    }
    if found.len() == 1 {
        return Ok(found.remove(0));
    }
    Err(Error::Engines { function: card.address(), count: found.len() })
}

/// The interface of a management engine's regions: of the one behind `port`, or of all of them if they have the same. Both are
/// given by their folders.
pub fn interface(host: &Host, driver: &dyn Driver, fme: &Path, port: Option<&Path>) -> Result<Found, Error> {
    let files = driver.interface_files(host, fme)?.into_iter();
    let mut interfaces = files.map(|file| Found::read(host, file)).collect::<Result<Vec<_>, _>>()?;
    let name = || fme.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Some(first) = interfaces.first() else { return Err(Error::NoRegion { fme: name() }) };
    if interfaces.iter().all(|interface| interface.id == first.id) {
        return Ok(interfaces.swap_remove(0));
    }
    // The driver makes a region for each port that the card has, in their order (drivers/fpga/dfl-fme-pr.c). Which port is
    // whose does not show where it has left one out.
    let number = |file: PathBuf, expected| host.parse::<usize>(file, expected);
    let is_whole = number(fme.join("ports_num"), "a number of ports")? == interfaces.len();
    let port = port.map(|port| number(port.join("id"), "the number of a port")).transpose()?;
    match port.filter(|port| is_whole && *port < interfaces.len()) {
        Some(port) => Ok(interfaces.swap_remove(port)),
        None => Err(Error::Interfaces { fme: name() }),
    }
}

/// The names in a folder, none if it is not there.
pub(crate) fn names(host: &Host, folder: &Path) -> Result<Vec<String>, HostError> {
    match host.names(folder) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        names => names,
    }
}
