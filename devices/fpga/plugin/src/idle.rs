//! Cards that no driver has taken: what an admin should hear of where no driver is loaded at all.

use host::pci::addresses;
use host::{Host, PciFunction, PciId};

const INTEL: PciId = PciId(0x8086);

/// The cards, and their virtual functions, that the kernel's driver knows (`drivers/fpga/dfl-pci.c`). Neural processing
/// units are of the same PCI class.
pub(crate) const CARDS: [u16; 11] = [
    0x09c4, 0x09c5, // Arria 10
    0x0b2b, 0x0b2c, // D5005
    0x0b30, // N3000
    0xbcbd, 0xbcbf, 0xbcc0, 0xbcc1, // in one package with a Xeon
    0xbcce, 0xbccf, // N6000 and others
];

/// A warning for each card without a driver. What cannot be read is no card here.
pub(crate) fn warnings(host: &Host) -> Vec<String> {
    let functions = addresses(host).unwrap_or_default();
    functions
        .into_iter()
        // A node has hundreds of functions, and most have a driver: one system call each.
        .filter(|address| {
            let driver = host.link_target(format!("/sys/bus/pci/devices/{address}/driver"));
            driver.is_err_and(|error| error.is_not_found())
        })
        .filter_map(|address| PciFunction::at(host, address).ok())
        .filter(|function| is_card(function).is_ok_and(|is_card| is_card))
        .map(|function| {
            let address = function.address();
            format!("the FPGA card at {address} has no driver: load dfl-pci, or Intel's intel-fpga-pci")
        })
        .collect()
}

fn is_card(function: &PciFunction) -> Result<bool, host::HostError> {
    Ok(function.vendor()? == INTEL && CARDS.contains(&function.device()?.0))
}
