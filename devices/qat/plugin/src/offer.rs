//! What a container gets with a virtual function.

use device_plugin::{DeviceNode, DeviceSpec, Expectation, Health, Mount, error_chain, numa_or_nowhere};
use host::{Host, HostError, PciFunction};

use crate::DpdkDriver;
use crate::functions::VirtualFunction;
use crate::heartbeat::Heartbeats;
use crate::services::{self, GENERIC};

const VFIO_FOLDER: &str = "/dev/vfio";

/// The node that is the same for all groups.
const VFIO_CONTROL: &str = "vfio";

/// The names of the nodes below `/dev/vfio`, listed once for all functions. At allocation each node is looked at.
#[derive(Debug, Default)]
pub(crate) struct VfioNodes(Vec<String>);

impl VfioNodes {
    /// Those that there are now; none where the folder cannot be listed.
    pub(crate) fn of(host: &Host, warn: &mut impl FnMut(String)) -> Self {
        Self(host.names(VFIO_FOLDER).unwrap_or_else(|error| {
            if !error.is_not_found() {
                warn(error_chain(&error));
            }
            Vec::new()
        }))
    }

    /// That of an IOMMU group, or else its error. Where VFIO works without an IOMMU, it is called otherwise
    /// (`drivers/vfio/group.c`).
    fn of_group(&self, group: u32) -> Result<String, String> {
        let without_iommu = format!("noiommu-{group}");
        if self.has(&without_iommu) { Ok(without_iommu) } else { self.existing(group.to_string()) }
    }

    fn existing(&self, name: String) -> Result<String, String> {
        if self.has(&name) {
            return Ok(name);
        }
        Err(format!(
            "there is no {VFIO_FOLDER}/{name}; is the node's /dev/vfio mounted into the plugin's container?"
        ))
    }

    fn has(&self, name: &str) -> bool {
        self.0.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }
}

/// What all virtual functions of a physical one have in common.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    /// The resource, but for the generic one.
    resource: Option<String>,
    /// Of all of them.
    health: Health,
    /// What must hold when one is handed out.
    expects: Option<Expectation>,
    /// NUMA nodes near it, and so near them.
    numa: Option<Vec<u32>>,
}

impl Common {
    /// Of those whose physical function nothing is known of.
    pub(crate) const UNKNOWN: Self =
        Self { resource: None, health: Health::Healthy, expects: None, numa: None };

    /// Of those of `physical`, whose services can be chosen or not.
    pub(crate) fn of(
        host: &Host,
        physical: &PciFunction,
        has_services: bool,
        heartbeats: &Heartbeats,
        warn: &mut impl FnMut(String),
    ) -> Self {
        let at = physical.address();
        let resource = has_services.then(|| services::resource_of(host, physical, warn));
        let path = format!("/sys/bus/pci/devices/{at}/qat/state");
        let state = match host.read(&path) {
            Ok(state) => Some(state),
            // Linux before 6.0, and older hardware.
            Err(error) if error.is_not_found() => None,
            Err(error) => {
                warn(format!("the state of {at} is not known: {}", error_chain(&error)));
                None
            }
        };
        let is_up = state.as_deref() == Some("up");
        let health = match state.as_deref() {
            Some("down") => Health::Unhealthy(format!("its physical function {at} is down")),
            _ if heartbeats.is_dead(at) => Health::Unhealthy(format!(
                "the firmware of its physical function {at} does not answer (heartbeat/status is -1)"
            )),
            _ => Health::Healthy,
        };
        let expects = is_up.then(|| Expectation::Value { path: path.into(), value: "up".to_owned() });
        let numa = Some(numa_or_nowhere(physical.address(), physical.numa_nodes(), warn));
        Self { resource, health, expects, numa }
    }
}

/// A virtual function as the kubelet hears of it.
#[derive(Debug)]
pub(crate) struct Offer {
    /// The resource.
    pub(crate) resource: String,
    /// Whether it may be handed out.
    pub(crate) health: Health,
    /// For a container that is given it.
    pub(crate) spec: DeviceSpec,
    /// Its IOMMU group, which has one user at a time.
    pub(crate) group: Option<String>,
}

impl Offer {
    /// Of a virtual function; `None` if it is not on the driver, of which [`crate::bind`] speaks. An error is a warning for
    /// the admin.
    pub(crate) fn of(
        host: &Host,
        vf: &VirtualFunction,
        driver: DpdkDriver,
        common: &Common,
        nodes: &VfioNodes,
        warn: &mut impl FnMut(String),
    ) -> Result<Option<Self>, String> {
        let function = &vf.function;
        let text = |error: HostError| error_chain(&error);
        if function.driver().map_err(text)?.as_deref() != Some(driver.name()) {
            return Ok(None);
        }
        let mut spec = DeviceSpec::default();
        let address = function.address();
        let folder = format!("/sys/bus/pci/devices/{address}");
        let group = match driver {
            DpdkDriver::VfioPci => Some(add_vfio(host, function, &folder, nodes, &mut spec)?),
            DpdkDriver::IgbUio => {
                add_uio(host, &folder, &mut spec)?;
                None
            }
        };
        let (path, name) = (format!("{folder}/driver").into(), driver.name().to_owned());
        spec.expects.push(Expectation::Link { path, name });
        spec.expects.extend(common.expects.clone());
        spec.numa = Some(
            common
                .numa
                .clone()
                .unwrap_or_else(|| numa_or_nowhere(function.address(), function.numa_nodes(), warn)),
        );
        let resource = common.resource.clone().unwrap_or_else(|| GENERIC.to_owned());
        Ok(Some(Self { resource, health: common.health.clone(), spec, group }))
    }
}

/// Returns the function's IOMMU group, by the name of its node.
fn add_vfio(
    host: &Host,
    function: &PciFunction,
    folder: &str,
    nodes: &VfioNodes,
    spec: &mut DeviceSpec,
) -> Result<String, String> {
    let group = function.iommu_group().map_err(|error| error_chain(&error))?;
    let Some(group) = group else {
        return Err("it is in no IOMMU group; is the IOMMU on (kernel option intel_iommu=on)?".to_owned());
    };
    let node = nodes.of_group(group)?;
    for name in [&node, &nodes.existing(VFIO_CONTROL.to_owned())?] {
        spec.add_node(host, format!("{VFIO_FOLDER}/{name}"));
    }
    spec.expects
        .push(Expectation::Link { path: format!("{folder}/iommu_group").into(), name: group.to_string() });
    Ok(node)
}

fn add_uio(host: &Host, folder: &str, spec: &mut DeviceSpec) -> Result<(), String> {
    let names = host.names(format!("{folder}/uio")).map_err(|error| error_chain(&error))?;
    let Some(name) = names.first() else {
        return Err(format!("{folder}/uio is empty, so it has no device node"));
    };
    // Not checked: the plugin's container has /dev/vfio only.
    spec.edits.nodes.push(DeviceNode::same_path(host, format!("/dev/{name}")));
    let registers = Mount::read_only(host, format!("/sys/class/uio/{name}/device"));
    spec.edits.mounts.push(Mount { read_only: false, ..registers });
    spec.expects.push(Expectation::Exists(format!("{folder}/uio/{name}").into()));
    Ok(())
}
