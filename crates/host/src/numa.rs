//! Which NUMA nodes a device is near to.
//!
//! The kernel says it in `numa_node`, which is there for PCI functions and a few others
//! (`Documentation/ABI/testing/sysfs-bus-pci`): a device is near to what the nearest device above it is near to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::attribute::ParseError;
use crate::{DeviceNumber, Host, HostError};

/// The kernel has no more nodes than this on any architecture (`NODES_SHIFT`).
const MAX_NODES: u32 = 1024;

const EXPECTED: &str = "a list of NUMA nodes";

/// NUMA nodes, and what stood in the way of finding all of them.
#[derive(Debug, Default)]
pub struct Nearby {
    /// Sorted, each once. Empty where the device has no place: it is virtual, or the machine has one node only.
    pub nodes: Vec<u32>,
    /// Devices that could not be looked at; the nodes of the others are in `nodes` all the same.
    pub errors: Vec<HostError>,
}

impl From<Result<Vec<u32>, HostError>> for Nearby {
    fn from(found: Result<Vec<u32>, HostError>) -> Self {
        match found {
            Ok(mut nodes) => {
                nodes.sort_unstable();
                nodes.dedup();
                Self { nodes, errors: Vec::new() }
            }
            Err(error) => Self { nodes: Vec::new(), errors: vec![error] },
        }
    }
}

/// The NUMA nodes that the device nodes `paths` (such as `/dev/dri/card0`) are near to.
///
/// A VFIO group (`/dev/vfio/12`) is near to what its devices are near to. A path that is no device node is an error.
pub fn of_device_nodes<P: AsRef<Path>>(host: &Host, paths: &[P]) -> Nearby {
    let mut search = Search::new(host);
    for path in paths {
        match host.device_number(path) {
            Ok(number) => search.waiting.push(sysfs_link(number)),
            Err(error) => search.errors.push(error),
        }
    }
    search.run()
}

/// The NUMA nodes that a device is near to, given its folder in sysfs or a link to it, such as
/// `/sys/bus/pci/devices/0000:03:00.0`.
pub fn of_sysfs_device(host: &Host, folder: impl AsRef<Path>) -> Nearby {
    let mut search = Search::new(host);
    search.waiting.push(folder.as_ref().to_owned());
    search.run()
}

fn sysfs_link(number: DeviceNumber) -> PathBuf {
    let kind = if number.block { "block" } else { "char" };
    PathBuf::from(format!("/sys/dev/{kind}/{}:{}", number.major, number.minor))
}

struct Search<'a> {
    host: &'a Host,
    /// Devices to look at still.
    waiting: Vec<PathBuf>,
    /// The folders of those looked at: the devices of a group may share one, and a bad tree may go in circles.
    seen: BTreeSet<PathBuf>,
    nodes: BTreeSet<u32>,
    errors: Vec<HostError>,
}

impl<'a> Search<'a> {
    fn new(host: &'a Host) -> Self {
        Self { host, waiting: Vec::new(), seen: BTreeSet::new(), nodes: BTreeSet::new(), errors: Vec::new() }
    }

    fn run(mut self) -> Nearby {
        while let Some(device) = self.waiting.pop() {
            if let Err(error) = self.look_at(&device) {
                self.errors.push(error);
            }
        }
        self.errors.sort_by(|a, b| a.path.cmp(&b.path));
        Nearby { nodes: self.nodes.into_iter().collect(), errors: self.errors }
    }

    fn look_at(&mut self, device: &Path) -> Result<(), HostError> {
        let folder = self.host.resolve(device)?;
        if !self.seen.insert(folder.clone()) {
            return Ok(());
        }
        self.add_members(&folder)?;
        self.nodes.extend(nearest(self.host, &folder)?);
        Ok(())
    }

    /// The devices that a virtual one stands for: those of a VFIO group, and the disks below a mapped one.
    fn add_members(&mut self, folder: &Path) -> Result<(), HostError> {
        if let Ok(name) = folder.strip_prefix("/sys/devices/virtual/vfio") {
            let name = name.to_string_lossy();
            let group = name.strip_prefix("noiommu-").unwrap_or(&name);
            self.add_all(&Path::new("/sys/kernel/iommu_groups").join(group).join("devices"))?;
        }
        // Only block devices have it, and most devices are none.
        if !folder.iter().any(|part| part == "block") {
            return Ok(());
        }
        match self.add_all(&folder.join("slaves")) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    fn add_all(&mut self, folder: &Path) -> Result<(), HostError> {
        let names = self.host.names(folder)?;
        self.waiting.extend(names.into_iter().map(|name| folder.join(name)));
        Ok(())
    }
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
    let NodeList(nodes) = host.parse(folder.join("numa_node"), EXPECTED)?;
    if nodes.is_empty() {
        return Ok(nodes);
    }
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
