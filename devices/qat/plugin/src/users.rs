//! Whether a program uses a function through VFIO.

use std::fs::OpenOptions;
use std::io;

use device_plugin::error_chain;
use host::{Host, PciFunction};

/// Opens a device node of the node and closes it again.
pub(crate) type Open = fn(&Host, &str) -> io::Result<()>;

/// What [`Open`] is but in tests.
pub(crate) fn open(host: &Host, node: &str) -> io::Result<()> {
    if host.is_simulated() {
        // A stand-in, or a node of a number that may be anybody's on this machine.
        return if host.exists(node) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) };
    }
    OpenOptions::new().read(true).write(true).open(host.outside(node)).map(drop)
}

/// Says why a function must not be taken from its user-space driver: a program has its IOMMU group open, or it is not
/// known whether one has. The kernel would wait, maybe for ever, until such a program ends.
pub(crate) fn check_unused(host: &Host, function: &PciFunction, open: Open) -> Result<(), String> {
    let group = function.vfio_group().map_err(|error| error_chain(&error))?;
    let Some(group) = group else {
        return Err("it is in no IOMMU group, so it is not known whether a program uses it".to_owned());
    };
    let node = format!("/dev/vfio/{group}");
    // A group can be open once.
    open(host, &node).map_err(|error| match error.kind() {
        io::ErrorKind::ResourceBusy => format!("a program uses it: {node} is open"),
        _ => format!("it is not known whether a program uses it: cannot open {node}: {error}"),
    })
}
