//! The plugin: all NPUs of a node as one resource of the kubelet.

use std::sync::Arc;

use device_plugin::{
    Capabilities, Device, DevicePlugin, DeviceSpec, DiscoverError, Expectation, Inventory, Triggers,
    error_chain, numa_or_nowhere,
    policy::{self, Choice},
};
use host::{Host, HostError, PciFunction, PciId, Reads, pci};

const CLASS: &str = "/sys/class/accel";
const NODES: &str = "/dev/accel";
const RESOURCE: &str = "accel";
const INTEL: PciId = PciId(0x8086);

/// What the plugin reads of a node, for recordings.
pub const READS: &[Reads] =
    &[Reads::of("/sys/class/accel/accel#/device", pci::READS), Reads::of("/dev/accel", &["accel#"])];

/// The NPUs that containers' software knows (`drivers/accel/ivpu/ivpu_drv.h`); the driver offers others only to test them.
pub(crate) const NPUS: [PciId; 7] = [
    // Core Ultra series 1
    PciId(0x7e4c),
    // Core Ultra 200V
    PciId(0x643e),
    // Core Ultra series 2, and its H variant
    PciId(0xad1d),
    PciId(0x7d1d),
    // Core Ultra series 3
    PciId(0xb03e),
    // Wildcat Lake
    PciId(0xfd3e),
    // Nova Lake
    PciId(0xd71d),
];

/// Offers Intel NPUs.
#[derive(Debug)]
pub struct NpuPlugin {
    /// How many containers may share an NPU.
    shares: u32,
}

impl NpuPlugin {
    /// A plugin that offers each NPU that often.
    pub fn new(shares: u32) -> Self {
        Self { shares }
    }
}

impl DevicePlugin for NpuPlugin {
    fn namespace(&self) -> &'static str {
        "npu.intel.com"
    }

    fn triggers(&self) -> Triggers {
        Triggers {
            subsystems: &["accel", "pci"],
            // "Processing accelerator", which NPUs call themselves.
            pci_classes: &["120"],
            folders: &[NODES],
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { prefers: true, pre_starts: false }
    }

    fn discover(&self, host: &Host) -> Result<Inventory, DiscoverError> {
        let names = match host.names(CLASS) {
            // No driver has made the class: it may be loaded later.
            Err(error) if error.is_not_found() => return Ok(Inventory::default()),
            names => names?,
        };
        let mut inventory = Inventory::default();
        for name in names.iter().filter(|name| host::number_of(name, "accel").is_some()) {
            let mut warnings = Vec::new();
            match npu(host, name, &mut |warning| warnings.push(warning)) {
                Ok(Some(spec)) => {
                    let spec = Arc::new(spec);
                    for share in 0..self.shares {
                        inventory.add(
                            RESOURCE,
                            format!("{name}-{share}"),
                            Device::healthy(Arc::clone(&spec)),
                        );
                    }
                }
                Ok(None) => {}
                // One that goes while it is looked at is no news.
                Err(error) if error.is_not_found() && !host.exists(format!("{CLASS}/{name}")) => {}
                Err(error) => warnings.push(format!("{name} is left out: {}", error_chain(&error))),
            }
            inventory.warnings.extend(warnings);
        }
        Ok(inventory)
    }

    /// Shares of different NPUs as long as there are any.
    fn prefer(&self, _resource: &str, choice: &Choice<'_>) -> Vec<String> {
        policy::spread(choice, |id| id.rsplit_once('-').map_or(id, |(npu, _)| npu).to_owned())
    }

    fn list_size_flag(&self) -> Option<&'static str> {
        Some("-shared-dev-num")
    }
}

/// What a container gets with the accelerator `name`; `None` if it is not one of Intel's NPUs.
fn npu(host: &Host, name: &str, warn: &mut impl FnMut(String)) -> Result<Option<DeviceSpec>, HostError> {
    let link = format!("{CLASS}/{name}/device");
    let function = PciFunction::of(host, &link)?;
    if function.vendor()? != INTEL {
        return Ok(None);
    }
    let device = function.device()?;
    if !NPUS.contains(&device) {
        warn(format!("{name} is left out: this plugin does not know Intel's accelerator {device}"));
        return Ok(None);
    }
    let mut spec = DeviceSpec::default();
    let node = format!("{NODES}/{name}");
    if host.device_number(&node)?.block {
        warn(format!("{name} is left out: {node} is a block device"));
        return Ok(None);
    }
    spec.add_node(host, node);
    // Another function may have the number by then.
    spec.expects.push(Expectation::Link { path: link.into(), name: function.address().to_string() });
    spec.numa = Some(numa_or_nowhere(name, function.numa_nodes(), warn));
    Ok(Some(spec))
}
