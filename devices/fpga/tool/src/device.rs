//! `fpgainfo`, `fmeinfo`, `portinfo`: what a management engine or a port is.

use std::path::Path;

use fpga_bitstream::Name;
use fpga_programming::{Error, Fme, Port};
use host::{Host, HostError, PciFunction};
use serde_json::json;

use crate::Outcome;
use crate::facts::Facts;

/// Where the Go implementation has its colons.
const WIDTH: usize = 33;

/// What to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Only what the device is.
    pub(crate) is_quiet: bool,
    /// Also what only its driver can say. The driver resets a port when nobody has it open any more, and with it the
    /// function behind it.
    pub(crate) asks_driver: bool,
}

/// Says what the device is. What was found before something failed is among the facts.
pub(crate) fn describe(host: &Host, device: &str, extent: Extent) -> (Facts, Result<(), Error>) {
    match Port::find(host, device) {
        Ok(port) => {
            let mut facts = Facts::new("//****** PORT ******//", WIDTH);
            let result = of_port(host, &port, extent, &mut facts);
            (facts, result)
        }
        Err(Error::Kind { .. }) => {
            let mut facts = Facts::new("//****** FME ******//", WIDTH);
            let result = Fme::find(host, device).and_then(|fme| of_fme(host, &fme, extent, &mut facts));
            (facts, result)
        }
        Err(error) => (Facts::default(), Err(error)),
    }
}

/// An error if the port has not the function of that name, the name of a bitstream in the store.
pub(crate) fn check(host: &Host, device: &str, function: &str) -> Outcome {
    let wanted: Name = function.parse()?;
    let port = Port::find(host, device)?;
    if port.holds(&wanted)? {
        return Ok(());
    }
    Err(format!("{} has the function {}, not {wanted}", port.name(), port.afu_id()?).into())
}

fn of_fme(host: &Host, fme: &Fme, extent: Extent, facts: &mut Facts) -> Result<(), Error> {
    // As in the Go implementation, it is an error if it does not answer.
    let version = extent.asks_driver.then(|| fme.api_version()).transpose()?;
    names(facts, fme.name(), &fme.node(), fme.folder());
    function(host, fme.function(), extent, facts)?;
    facts.add("Interface UUID", "interface", fme.interface_id()?.to_string());
    if extent.is_quiet {
        return Ok(());
    }
    if let Some(version) = version {
        facts.add("Kernet API Version", "apiVersion", version);
    }
    facts.add("Ports Num", "ports", fme.ports_num()?);
    if let Some(socket) = fme.socket_id()? {
        facts.add("Socket Id", "socket", socket);
    }
    facts.add("Bitstream Id", "bitstreamId", fme.bitstream_id()?.unwrap_or_default());
    facts.add("Bitstream Metadata", "bitstreamMetadata", fme.bitstream_metadata()?.unwrap_or_default());
    Ok(())
}

fn of_port(host: &Host, port: &Port, extent: Extent, facts: &mut Facts) -> Result<(), Error> {
    let version = extent.asks_driver.then(|| port.api_version()).transpose()?;
    names(facts, port.name(), &port.node(), port.folder());
    function(host, port.function(), extent, facts)?;
    facts.add("FME Name", "fme", port.fme()?.name());
    facts.add("Port Id", "number", port.number()?);
    facts.add("Interface UUID", "interface", port.interface_id()?.to_string());
    facts.add("Accelerator UUID", "function", port.afu_id()?.to_string());
    if extent.is_quiet {
        return Ok(());
    }
    // The Go implementation's spelling.
    let Some(version) = version else { return Ok(()) };
    facts.add("Kernet API Version", "apiVersion", version);
    let regions = port.info()?.regions;
    facts.add_as("Port Regions", regions.to_string(), "regions", json!([]));
    for index in 0..regions {
        let region = port.region(index)?;
        facts.add_as(
            "Port Region (Index/Size/Offset)",
            format!("{} / {} / {}", region.index, region.size, region.offset),
            "regions",
            json!([{"index": region.index, "size": region.size, "offset": region.offset}]),
        );
    }
    Ok(())
}

fn names(facts: &mut Facts, name: &str, node: &Path, folder: &Path) {
    facts.add("Name", "name", name);
    facts.add("Device Node", "node", node.to_string_lossy());
    facts.add("SysFS Path", "sysfs", folder.to_string_lossy());
}

/// The PCI function that it belongs to.
fn function(host: &Host, function: &PciFunction, extent: Extent, facts: &mut Facts) -> Result<(), HostError> {
    let read = |attribute: &str| match host.read(function.folder().join(attribute)) {
        Err(error) if error.is_not_found() => Ok(String::new()),
        text => text,
    };
    facts.add("PCIe s:b:d:f", "pci", function.address().to_string());
    if !extent.is_quiet
        && let Some(physical) = function.physical_function()?
    {
        facts.add("Physical Function PCIe s:b:d:f", "physicalFunction", physical.address().to_string());
    }
    facts.add("Device Id", "deviceId", format!("{}:{}", read("vendor")?, read("device")?));
    if extent.is_quiet {
        return Ok(());
    }
    for (label, key, attribute) in [
        ("Device Class", "class", "class"),
        ("Local CPUs", "cpus", "local_cpulist"),
        ("NUMA", "numa", "numa_node"),
    ] {
        facts.add(label, key, read(attribute)?);
    }
    for (label, key, attribute) in [
        ("SR-IOV Virtual Functions", "virtualFunctions", "sriov_numvfs"),
        ("SR-IOV maximum Virtual Functions", "maxVirtualFunctions", "sriov_totalvfs"),
    ] {
        let value = read(attribute)?;
        if !value.is_empty() {
            facts.add(label, key, value);
        }
    }
    Ok(())
}
