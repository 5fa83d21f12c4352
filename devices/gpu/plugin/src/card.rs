//! A GPU as the kernel's Direct Rendering Manager shows it below `/sys/class/drm`.

use device_plugin::{CdiDevice, DeviceSpec, Expectation, error_chain};
use host::{Host, PciAddress};

use crate::{ByPath, IdFilter, bypath};

/// Where the cards are.
pub(crate) const CLASS: &str = "/sys/class/drm";
const INTEL: &str = "0x8086";
/// The drivers whose GPUs are offered; each is the name of a resource.
const DRIVERS: [&str; 2] = ["i915", "xe"];

/// A GPU that can be offered.
#[derive(Debug)]
pub(crate) struct Card {
    /// `card0`.
    pub(crate) name: String,
    /// The kernel driver, and the resource.
    pub(crate) driver: String,
    /// Where it sits; `None` in trees that do not say.
    pub(crate) address: Option<PciAddress>,
    /// Its device nodes, `/dev/dri/card0` and `/dev/dri/renderD128`.
    nodes: Vec<String>,
    /// Those of its firmware's interfaces.
    mei: Vec<String>,
    /// The driver link, if there is one.
    driver_link: Option<String>,
}

/// The names of all cards, Intel's or not, in byte order.
pub(crate) fn names(host: &Host) -> Result<Vec<String>, host::HostError> {
    match host.names(CLASS) {
        Ok(names) => Ok(names.into_iter().filter(|name| is_numbered(name, "card")).collect()),
        // No graphics driver is loaded.
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether the card is one of Intel's.
pub(crate) fn is_intel(host: &Host, name: &str) -> Result<bool, host::HostError> {
    host.read(format!("{CLASS}/{name}/device/vendor")).map(|vendor| vendor == INTEL)
}

/// Where the card sits.
pub(crate) fn address(host: &Host, name: &str) -> Option<PciAddress> {
    let folder = host.resolve(format!("{CLASS}/{name}/device")).ok()?;
    folder.file_name()?.to_str()?.parse().ok()
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
        let device = format!("{CLASS}/{name}/device");
        let address = address(host, name);
        let left_out = |error: host::HostError| format!("{name} is left out: {}", error_chain(&error));
        let is_intel = match is_intel(host, name) {
            // No PCI function has no vendor: a frame buffer of the firmware, or a virtual card.
            Err(error) if error.is_not_found() && address.is_none() => false,
            found => found.map_err(left_out)?,
        };
        if !is_intel || !is_wanted(host, &device, ids).map_err(left_out)? {
            return Ok(None);
        }
        if has_virtual_functions(host, &device, name, warn) {
            tracing::debug!("{name} is left out: its virtual functions are offered instead");
            return Ok(None);
        }
        let entries = match host.names(format!("{device}/drm")) {
            Err(error) if error.is_not_found() => return Ok(None),
            entries => entries.map_err(left_out)?,
        };
        let (driver, driver_link) = driver(host, &device, name, warn)?;
        let mut card = Self {
            name: name.to_owned(),
            driver,
            address,
            nodes: Vec::new(),
            mei: mei_nodes(host, &device),
            driver_link,
        };
        let is_node = |entry: &&String| is_numbered(entry, "card") || is_numbered(entry, "renderD");
        for entry in entries.iter().filter(is_node) {
            let node = format!("/dev/dri/{entry}");
            match host.device_number(&node) {
                Ok(_) => card.nodes.push(node),
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

    /// What a container gets with this card.
    pub(crate) fn spec(&self, host: &Host, mode: ByPath, warn: &mut impl FnMut(String)) -> DeviceSpec {
        let mut spec = DeviceSpec::default();
        for node in &self.nodes {
            spec.add_node(host, node);
        }
        spec.edits.mounts = bypath::mounts(host, mode, self.address, &self.nodes);
        if let Some(link) = &self.driver_link {
            spec.expects.push(Expectation::Link { path: link.into(), name: self.driver.clone() });
        }
        let nearby = host::numa::of_sysfs_device(host, format!("{CLASS}/{}/device", self.name));
        for error in nearby.errors {
            warn(format!("{}: NUMA nodes are not known: {}", self.name, error_chain(&error)));
        }
        spec.numa = Some(nearby.nodes);
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
    pub(crate) fn monitoring_nodes(&self) -> impl Iterator<Item = (&str, bool)> {
        let dri = self.nodes.iter().map(|node| (node.as_str(), true));
        dri.chain(self.mei.iter().map(|node| (node.as_str(), false)))
    }
}

fn is_wanted(host: &Host, device: &str, ids: &IdFilter) -> Result<bool, host::HostError> {
    let id = || host.read(format!("{device}/device"));
    Ok(match ids {
        IdFilter::Any => true,
        IdFilter::Allow(ids) => ids.contains(&id()?),
        IdFilter::Deny(ids) => !ids.contains(&id()?),
    })
}

/// A physical function with virtual functions enabled is left to its administrator; the virtual ones are GPUs of their own.
fn has_virtual_functions(host: &Host, device: &str, name: &str, warn: &mut impl FnMut(String)) -> bool {
    match host.parse::<u16>(format!("{device}/sriov_numvfs"), "a number of virtual functions") {
        Ok(count) => count > 0,
        // It can't have any.
        Err(error) if error.is_not_found() => false,
        Err(error) => {
            warn(format!("{name} is taken for a GPU without virtual functions: {}", error_chain(&error)));
            false
        }
    }
}

fn driver(
    host: &Host,
    device: &str,
    name: &str,
    warn: &mut impl FnMut(String),
) -> Result<(String, Option<String>), String> {
    let link = format!("{device}/driver");
    match host.link_name(&link) {
        Ok(driver) if DRIVERS.contains(&driver.as_str()) => Ok((driver, Some(link))),
        Ok(driver) => {
            Err(format!("{name} is left out: {link} leads to {driver}, which is no driver for Intel GPUs"))
        }
        // Trees made by the Go implementation's fake device generator have none.
        Err(error) if error.is_not_found() => {
            warn(format!("{name} is taken for a GPU on i915: there is no {link}"));
            Ok(("i915".to_owned(), None))
        }
        Err(error) => Err(format!("{name} is left out: {}", error_chain(&error))),
    }
}

/// The Management Engine interfaces of a GPU's firmware: `device/i915.mei-gscfi.768/mei/mei0` is `/dev/mei0`.
fn mei_nodes(host: &Host, device: &str) -> Vec<String> {
    let entries = host.names(device).unwrap_or_default();
    let interfaces = entries.iter().filter(|entry| entry.contains(".mei-"));
    interfaces
        .flat_map(|interface| host.names(format!("{device}/{interface}/mei")).unwrap_or_default())
        .map(|name| format!("/dev/{name}"))
        .collect()
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}
