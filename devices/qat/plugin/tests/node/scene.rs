//! Nodes with QAT, and what the plugin finds on them.

use std::time::{Duration, Instant};

use device_plugin::{Device, DevicePlugin, Health, Inventory};
use host::Host;
use qat_plugin::{Options, QatPlugin};
use simulator::{Profile, SimulatedNode};

/// A node with the drivers `4xxx` and `vfio-pci` loaded.
pub(crate) const LOADED: &str = "use vfio\nuse pci-driver driver=4xxx\nuse pci-driver driver=4xxxvf\n";
/// A physical function, its services to be added.
pub(crate) const PF: &str = "use qat-pf as=pf at=pci0000:6b pci=0000:6b:00.0 group=100 numa=0";
/// Its first virtual function, given to VFIO.
pub(crate) const VF0: &str =
    "use qat-vf-vfio as=vf0 at=pci0000:6b pf=0000:6b:00.0 vf=0 pci=0000:6b:00.1 group=101 numa=0";
/// Its second virtual function, given to VFIO.
pub(crate) const VF1: &str =
    "use qat-vf-vfio as=vf1 at=pci0000:6b pf=0000:6b:00.0 vf=1 pci=0000:6b:00.2 group=102 numa=0";
/// Its third virtual function, without a driver.
pub(crate) const VF2: &str = "use qat-vf as=vf2 at=pci0000:6b pf=0000:6b:00.0 vf=2 pci=0000:6b:00.3 numa=0";
/// Where they are.
pub(crate) const FOLDER: &str = "/sys/devices/pci0000:6b";

/// Whether the firmware of the physical function answers.
pub(crate) const HEARTBEAT: &str = "/sys/kernel/debug/qat_4xxx_0000:6b:00.0/heartbeat/status";

/// A physical function and a virtual one of an older generation, by raw lines.
pub(crate) fn c62x(driver_of_vf: &str, more: &str) -> String {
    format!(
        "use pci-driver driver=c6xx
use pci-driver driver=c6xxvf
use pci-function at=pci0000:3d pci=0000:3d:00.0 device=0x37c8 class=0x0b4000
use pci-bound at=pci0000:3d pci=0000:3d:00.0 driver=c6xx
use pci-function at=pci0000:3d pci=0000:3d:01.0 device=0x37c9 class=0x0b4000
use sriov-vf at=pci0000:3d pci=0000:3d:01.0 pf=0000:3d:00.0 vf=0
{driver_of_vf}
{more}"
    )
}

/// Its virtual function is given to VFIO.
pub(crate) const C62X_ON_VFIO: &str = "use vfio-group at=pci0000:3d pci=0000:3d:01.0 group=7";

/// A virtual function without its physical one, as in a virtual machine.
pub(crate) fn guest(vendor: &str, id: &str) -> String {
    format!(
        "use pci-function at=pci0000:00 pci=0000:00:05.0 device={id} vendor={vendor} class=0x0b4000
use vfio-group at=pci0000:00 pci=0000:00:05.0 group=7"
    )
}

pub(crate) struct Scene {
    _folder: tempfile::TempDir,
    pub(crate) node: SimulatedNode,
}

impl Scene {
    pub(crate) fn of(lines: &[&str]) -> Self {
        Self::from(&Profile::parse("test", &lines.join("\n")).unwrap())
    }

    /// The usual drivers and these lines.
    pub(crate) fn loaded(lines: &[&str]) -> Self {
        Self::of(&[&[LOADED], lines].concat())
    }

    pub(crate) fn from(profile: &Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), profile).unwrap();
        Self { _folder: folder, node }
    }

    pub(crate) fn host(&self) -> Host {
        self.node.host()
    }

    pub(crate) fn set(&mut self, path: &str, value: &str) {
        self.node.set_attribute(path, value).unwrap();
    }

    pub(crate) fn look(&self, flags: &[&str]) -> Inventory {
        look(&plugin(flags), &self.host())
    }

    /// `cy=2 dc=1`
    pub(crate) fn counts(&self, flags: &[&str]) -> String {
        counts(&self.look(flags))
    }
}

pub(crate) fn plugin(flags: &[&str]) -> QatPlugin {
    QatPlugin::new(Options::parse("qat", flags.iter().copied()).unwrap().check().unwrap())
}

/// What the framework does, at a certain time after the start.
pub(crate) fn look_at(plugin: &QatPlugin, host: &Host, now: Instant) -> Inventory {
    let warnings = plugin.prepare_at(host, now);
    let mut inventory = plugin.discover(host).unwrap();
    inventory.warnings.extend(warnings);
    inventory
}

pub(crate) fn look(plugin: &QatPlugin, host: &Host) -> Inventory {
    look_at(plugin, host, Instant::now())
}

/// Later than any pause of the plugin.
pub(crate) fn later() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

pub(crate) fn counts(inventory: &Inventory) -> String {
    let counts =
        inventory.resources.iter().map(|(name, resource)| format!("{name}={}", resource.devices.len()));
    counts.collect::<Vec<_>>().join(" ")
}

/// The ids of all devices, by resource.
pub(crate) fn ids(inventory: &Inventory) -> Vec<&str> {
    let resources = inventory.resources.values();
    resources.flat_map(|resource| resource.devices.keys().map(String::as_str)).collect()
}

/// The one device of that id.
pub(crate) fn device<'a>(inventory: &'a Inventory, id: &str) -> &'a Device {
    inventory.resources.values().find_map(|resource| resource.devices.get(id)).unwrap()
}

/// Why devices are unhealthy, by id.
pub(crate) fn ills(inventory: &Inventory) -> Vec<(&str, &str)> {
    let devices = inventory.resources.values().flat_map(|resource| &resource.devices);
    devices
        .filter_map(|(id, device)| match &device.health {
            Health::Healthy => None,
            Health::Unhealthy(reason) => Some((id.as_str(), reason.as_str())),
        })
        .collect()
}
