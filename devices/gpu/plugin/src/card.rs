//! A GPU as the kernel's Direct Rendering Manager shows it below `/sys/class/drm`.

use std::path::{Path, PathBuf};

use device_plugin::{CdiDevice, DeviceSpec, Expectation, error_chain, numa_or_nowhere};
use host::{DeviceNumber, Host, HostError, PciAddress, PciFunction, number_of};

use crate::IdFilter;
use crate::bypath::Links;

/// Where the cards are.
pub(crate) const CLASS: &str = "/sys/class/drm";
const INTEL: &str = "0x8086";
/// The drivers whose GPUs are offered; each is the name of a resource.
pub(crate) const DRIVERS: [&str; 2] = ["i915", "xe"];

/// A GPU that can be offered.
#[derive(Debug)]
pub(crate) struct Card {
    /// `card0`.
    pub(crate) name: String,
    /// The kernel driver, and the resource.
    pub(crate) driver: String,
    device: CardDevice,
    /// Its device nodes, `/dev/dri/card0` and `/dev/dri/renderD128`.
    nodes: Vec<(String, DeviceNumber)>,
    /// Whether there is a driver link.
    has_driver_link: bool,
}

/// What a card is a face of.
#[derive(Debug)]
struct CardDevice {
    /// The link to it, by the card's name.
    link: String,
    /// `None` in trees of the Go implementation's fake device generator, which have no PCI bus.
    function: Option<PciFunction>,
}

impl CardDevice {
    fn of(host: &Host, name: &str) -> Self {
        let link = format!("{CLASS}/{name}/device");
        let function = PciFunction::of(host, &link).ok();
        Self { link, function }
    }

    /// Where `file` of it is. Without links on the way, which cost as much as the read.
    fn file(&self, file: &str) -> PathBuf {
        self.function.as_ref().map_or(Path::new(&self.link), PciFunction::folder).join(file)
    }

    fn address(&self) -> Option<PciAddress> {
        self.function.as_ref().map(PciFunction::address)
    }

    fn is_intel(&self, host: &Host) -> Result<bool, HostError> {
        host.read(self.file("vendor")).map(|vendor| vendor == INTEL)
    }
}

/// The names of all cards, Intel's or not, in byte order.
pub(crate) fn names(host: &Host) -> Result<Vec<String>, HostError> {
    match host.names(CLASS) {
        Ok(names) => Ok(names.into_iter().filter(|name| number_of(name, "card").is_some()).collect()),
        // No graphics driver is loaded.
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Where the card sits, if it is one of Intel's.
pub(crate) fn intel_address(host: &Host, name: &str) -> Option<PciAddress> {
    let device = CardDevice::of(host, name);
    device.address().filter(|_| device.is_intel(host).unwrap_or(false))
}

impl Card {
    /// The card `name`, or `None` if it is not to be offered: another vendor's, filtered out, or a physical function whose
    /// virtual functions are offered instead. An error is a warning for the admin.
    pub(crate) fn find(
        host: &Host,
        name: &str,
        ids: &IdFilter,
        warn: &mut impl FnMut(String),
    ) -> Result<Option<Self>, String> {
        let device = CardDevice::of(host, name);
        let left_out = |error: HostError| format!("{name} is left out: {}", error_chain(&error));
        let is_intel = match device.is_intel(host) {
            // No PCI function has no vendor: a frame buffer of the firmware, or a virtual card.
            Err(error) if error.is_not_found() && device.function.is_none() => false,
            found => found.map_err(left_out)?,
        };
        if !is_intel || !is_wanted(host, &device, ids).map_err(left_out)? {
            return Ok(None);
        }
        if has_virtual_functions(host, &device, name, warn) {
            tracing::debug!("{name} is left out: its virtual functions are offered instead");
            return Ok(None);
        }
        let entries = match host.names(device.file("drm")) {
            Err(error) if error.is_not_found() => return Ok(None),
            entries => entries.map_err(left_out)?,
        };
        let (driver, has_driver_link) = driver(host, &device, name, warn)?;
        let mut card = Self { name: name.to_owned(), driver, device, nodes: Vec::new(), has_driver_link };
        let is_node =
            |entry: &&String| ["card", "renderD"].iter().any(|word| number_of(entry, word).is_some());
        for entry in entries.iter().filter(is_node) {
            let node = format!("/dev/dri/{entry}");
            match host.device_number(&node) {
                Ok(number) => card.nodes.push((node, number)),
                // The node is on its way, or the container's cgroup hides it.
                Err(error) if error.is_not_found() => tracing::debug!("{name}: no {node}"),
                Err(error) => warn(format!("{name} is offered without {node}: {}", error_chain(&error))),
            }
        }
        if card.nodes.is_empty() {
            return Err(format!("{name} is left out: none of its device nodes is in /dev/dri"));
        }
        Ok(Some(card))
    }

    /// Where it sits; `None` in trees that do not say.
    pub(crate) fn address(&self) -> Option<PciAddress> {
        self.device.address()
    }

    /// What a container gets with this card.
    pub(crate) fn spec(&self, host: &Host, links: &Links, warn: &mut impl FnMut(String)) -> DeviceSpec {
        let mut spec = DeviceSpec::default();
        for (node, _) in &self.nodes {
            spec.add_node(host, node);
        }
        spec.edits.mounts = links.mounts(host, self.address(), &self.nodes);
        if self.has_driver_link {
            let path = format!("{}/driver", self.device.link).into();
            spec.expects.push(Expectation::Link { path, name: self.driver.clone() });
        }
        let numa_nodes = match &self.device.function {
            Some(function) => function.numa_nodes(),
            None => host::numa::nodes_near(host, &self.device.link),
        };
        spec.numa = Some(numa_or_nowhere(&self.name, numa_nodes, warn));
        spec.cdi = Some(CdiDevice {
            kind: "intel.cdi.k8s.io/gpu".to_owned(),
            name: self.name.clone(),
            edits: spec.edits.clone(),
            ..CdiDevice::default()
        });
        spec
    }

    /// All nodes that a monitoring program uses, and whether each can be seen from here: a plugin's container has no `/dev`
    /// but `/dev/dri`.
    pub(crate) fn monitoring_nodes(&self, host: &Host) -> Vec<(String, bool)> {
        let dri = self.nodes.iter().map(|(node, _)| (node.clone(), true));
        dri.chain(self.mei_nodes(host).into_iter().map(|node| (node, false))).collect()
    }

    /// The Management Engine interfaces of its firmware: `device/i915.mei-gscfi.768/mei/mei0` is `/dev/mei0`.
    fn mei_nodes(&self, host: &Host) -> Vec<String> {
        let list = |folder: &str| host.names(self.device.file(folder)).unwrap_or_default();
        let entries = list("");
        let interfaces = entries.iter().filter(|entry| entry.contains(".mei-"));
        interfaces
            .flat_map(|interface| list(&format!("{interface}/mei")))
            .map(|name| format!("/dev/{name}"))
            .collect()
    }
}

fn is_wanted(host: &Host, device: &CardDevice, ids: &IdFilter) -> Result<bool, HostError> {
    let id = || host.read(device.file("device"));
    Ok(match ids {
        IdFilter::Any => true,
        IdFilter::Allow(ids) => ids.contains(&id()?),
        IdFilter::Deny(ids) => !ids.contains(&id()?),
    })
}

/// A physical function with virtual functions enabled is left to its administrator; the virtual ones are GPUs of their own.
fn has_virtual_functions(
    host: &Host,
    device: &CardDevice,
    name: &str,
    warn: &mut impl FnMut(String),
) -> bool {
    match host.parse::<u16>(device.file("sriov_numvfs"), "a number of virtual functions") {
        Ok(count) => count > 0,
        // It can't have any.
        Err(error) if error.is_not_found() => false,
        Err(error) => {
            warn(format!("{name} is taken for a GPU without virtual functions: {}", error_chain(&error)));
            false
        }
    }
}

/// The driver, and whether there is a link that says so.
fn driver(
    host: &Host,
    device: &CardDevice,
    name: &str,
    warn: &mut impl FnMut(String),
) -> Result<(String, bool), String> {
    let link = device.file("driver");
    let shown = link.display();
    match host.link_name(&link) {
        Ok(driver) if DRIVERS.contains(&driver.as_str()) => Ok((driver, true)),
        Ok(driver) => {
            Err(format!("{name} is left out: {shown} leads to {driver}, which is no driver for Intel GPUs"))
        }
        // Trees made by the Go implementation's fake device generator have none.
        Err(error) if error.is_not_found() => {
            warn(format!("{name} is taken for a GPU on i915: there is no {shown}"));
            Ok(("i915".to_owned(), false))
        }
        Err(error) => Err(format!("{name} is left out: {}", error_chain(&error))),
    }
}
