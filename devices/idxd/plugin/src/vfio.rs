//! The plugin that offers whole functions, bound to the driver `vfio-pci`, to virtual machines and user-space drivers.

use std::collections::BTreeMap;

use device_plugin::{
    Capabilities, ContainerEdits, Device, DevicePlugin, DeviceSpec, DiscoverError, Expectation, Inventory,
    Refusal, Triggers, error_chain, numa_or_nowhere, policy::Choice,
};
use host::{Host, HostError, PciAddress, PciFunction, PciId, pci};

use crate::family::{DSAS, Family};
use crate::prefer::{self, Place};
use crate::queue::missing;

const RESOURCE: &str = "vfio";
const DRIVER: &str = "vfio-pci";
pub(crate) const INTEL: PciId = PciId(0x8086);
/// The node that is the same for all groups.
const CONTROL: &str = "/dev/vfio/vfio";

/// Offers the DSA functions that are bound to `vfio-pci`.
#[derive(Debug)]
pub(crate) struct VfioPlugin {
    family: &'static Family,
    /// Asked where the functions are that a container may get.
    host: Host,
}

impl VfioPlugin {
    pub(crate) fn new(family: &'static Family, host: &Host) -> Self {
        Self { family, host: host.clone() }
    }
}

impl DevicePlugin for VfioPlugin {
    fn namespace(&self) -> &str {
        self.family.namespace
    }

    fn triggers(&self) -> Triggers {
        Triggers {
            subsystems: &["pci", "vfio"],
            // "System peripheral", which DSA calls itself.
            pci_classes: &["880"],
            folders: &["/dev/vfio"],
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { prefers: true, pre_starts: false }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let addresses = match pci::addresses(host) {
            Err(error) if error.is_not_found() => Vec::new(),
            addresses => addresses?,
        };
        let mut inventory = Inventory::default();
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for address in addresses {
            let mut warnings = Vec::new();
            match find(host, address, &mut |warning| warnings.push(warning)) {
                Ok(Some((group, spec))) => {
                    inventory.add(RESOURCE, address.to_string(), Device::healthy(spec));
                    groups.entry(group).or_default().push(address.to_string());
                }
                Ok(None) => {}
                Err(warning) => warnings.push(format!("{address} is left out: {warning}")),
            }
            inventory.warnings.extend(warnings);
        }
        for (group, functions) in groups.iter().filter(|(_, functions)| functions.len() > 1) {
            inventory.warn(format!(
                "{} share the IOMMU group {group}, which only one container at a time can open",
                functions.join(" and ")
            ));
        }
        Ok(inventory)
    }

    fn allocate(
        &self,
        _resource: &str,
        devices: &[(&str, &Device)],
        mut edits: ContainerEdits,
    ) -> Result<ContainerEdits, Refusal> {
        // Programs in the container count on the numbers to begin at 0.
        let addresses = devices.iter().map(|(id, _)| (*id).to_owned()).enumerate();
        edits.env.extend(addresses.map(|(number, address)| (format!("VFIO_BDF{number}"), address)));
        Ok(edits)
    }

    fn prefer(&self, _resource: &str, choice: &Choice<'_>) -> Vec<String> {
        prefer::prefer(choice, |id| {
            let nodes = host::numa::nodes_near(&self.host, format!("/sys/bus/pci/devices/{id}"));
            let node = nodes.ok().and_then(|nodes| nodes.first().copied());
            Place { piece: id.to_owned(), device: id.to_owned(), node }
        })
    }
}

/// What a container gets with the function at `address`, and its IOMMU group; `None` if it is not to be offered: it is no
/// DSA, on another driver, or not there any more. An error is a warning for the admin.
fn find(
    host: &Host,
    address: PciAddress,
    warn: &mut impl FnMut(String),
) -> Result<Option<(String, DeviceSpec)>, String> {
    let function = match PciFunction::at(host, address) {
        Err(error) if error.is_not_found() => return Ok(None),
        function => function.map_err(|error| error_chain(&error))?,
    };
    match of_function(host, &function, warn) {
        Err(_) if !host.exists(function.folder()) => Ok(None),
        found => found,
    }
}

fn of_function(
    host: &Host,
    function: &PciFunction,
    warn: &mut impl FnMut(String),
) -> Result<Option<(String, DeviceSpec)>, String> {
    let text = |error: HostError| error_chain(&error);
    if function.vendor().map_err(text)? != INTEL || !DSAS.contains(&function.device().map_err(text)?) {
        return Ok(None);
    }
    match function.driver().map_err(text)? {
        Some(driver) if driver == DRIVER => {}
        Some(_) => return Ok(None),
        None => return Err(format!("it is bound to no driver; bind it to {DRIVER}")),
    }
    let Some(group) = function.vfio_group().map_err(text)? else {
        return Err("it is in no IOMMU group; is the IOMMU on (kernel option intel_iommu=on)?".to_owned());
    };
    let mut spec = DeviceSpec::default();
    for node in [format!("/dev/vfio/{group}"), CONTROL.to_owned()] {
        host.device_number(&node).map_err(|error| {
            missing(&error, &node, "is the node's /dev/vfio mounted into the plugin's container?")
        })?;
        spec.add_node(host, node);
    }
    let address = function.address();
    let link = format!("/sys/bus/pci/devices/{address}/driver");
    spec.expects.push(Expectation::Link { path: link.into(), name: DRIVER.to_owned() });
    spec.numa = Some(numa_or_nowhere(address, function.numa_nodes(), warn));
    Ok(Some((group, spec)))
}
