//! Which NUMA nodes a device is near to.
//!
//! The kernel says it in `numa_node`, which is there for PCI functions and a few others
//! (`Documentation/ABI/testing/sysfs-bus-pci`): a device is near to what the nearest device above it is near to.

use std::path::Path;
use std::str::FromStr;

use crate::attribute::ParseError;
use crate::{Host, HostError};

/// The kernel has no more nodes than this on any architecture (`NODES_SHIFT`).
const MAX_NODES: u32 = 1024;

const EXPECTED: &str = "a list of NUMA nodes";

/// The NUMA nodes that a device is near to, sorted, given its folder in sysfs or a link to it, such as
/// `/sys/class/drm/card0/device`. None where the device has no place: it is virtual, or the machine has one node only.
///
/// Of a PCI function that is at hand, [`PciFunction::numa_nodes`](crate::PciFunction::numa_nodes) is the cheaper way.
pub fn nodes_near(host: &Host, device: impl AsRef<Path>) -> Result<Vec<u32>, HostError> {
    nearest(host, &host.resolve(device)?)
}

/// What the nearest folder says, from one without links upwards.
pub(crate) fn nearest(host: &Host, folder: &Path) -> Result<Vec<u32>, HostError> {
    for folder in folder.ancestors().take_while(|path| *path != "/sys/devices") {
        match nodes_of(host, folder) {
            Err(error) if error.is_not_found() => {}
            Ok(nodes) if nodes.is_empty() => {}
            said => return said,
        }
    }
    Ok(Vec::new())
}

/// What one folder of sysfs itself says; none where that is of no use. Where it says nothing, the error is "not found".
pub(crate) fn nodes_of(host: &Host, folder: &Path) -> Result<Vec<u32>, HostError> {
    let NodeList(mut nodes) = host.parse(folder.join("numa_node"), EXPECTED)?;
    if nodes.is_empty() {
        return Ok(nodes);
    }
    nodes.sort_unstable();
    nodes.dedup();
    // Firmware that names a node without CPUs is taken to be wrong: a pod could never be placed there, so a parent's
    // word, or none, is better. Where there is no list of CPUs at all, the node stands.
    match host.read(folder.join("local_cpulist")) {
        Ok(cpus) if cpus.is_empty() => Ok(Vec::new()),
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(nodes),
    }
}

/// Ids and ranges of ids with commas between: `0`, `0-1`, `0,2-3`. Negative ids mean "none" and are left out.
#[derive(Debug, PartialEq, Eq)]
struct NodeList(Vec<u32>);

impl FromStr for NodeList {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut nodes = Vec::new();
        for part in text.split(',').map(str::trim) {
            let range = match part.split_once('-') {
                None => number(part).map(|node| node..=node),
                Some(("", negative)) if is_number(negative) => continue,
                Some((first, last)) => number(first).zip(number(last)).map(|(first, last)| first..=last),
            };
            match range.filter(|range| !range.is_empty()) {
                Some(range) => nodes.extend(range),
                None => return Err(ParseError::new(text, EXPECTED)),
            }
        }
        Ok(Self(nodes))
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str) -> Option<u32> {
    let number = is_number(text).then(|| text.parse().ok())?;
    number.filter(|node| *node < MAX_NODES)
}

#[cfg(test)]
mod tests;
