//! Nodes with FPGAs, and what a test wants to know of them.

use device_plugin::{Device, DevicePlugin as _, Inventory};
use fpga_plugin::{Chosen, FpgaPlugin, Mode};
use simulator::{Profile, SimulatedNode};

pub(crate) const MODES: [Mode; 3] = [Mode::Functions, Mode::Regions, Mode::RegionsForDevelopment];

pub(crate) const DEAD: &str = "ffffffffffffffffffffffffffffffff";
pub(crate) const INTERFACE: &str = "69528db6eb31577a8c3668f9faa081f6";
pub(crate) const REGION: &str = "region-69528db6eb31577a8c3668f9faa081f6";
pub(crate) const FIRST: &str = "d8424dc4a4a3c413f89e433683f9040b";
pub(crate) const SECOND: &str = "f7df405cbd7acf7222f144b0b93acd18";
pub(crate) const FIRST_NAME: &str = "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs";
pub(crate) const SECOND_NAME: &str = "af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg";

/// Where the cards of [`Scene::dfl`] are.
pub(crate) const DFL_CARD: &str = "/sys/devices/pci0000:80/0000:80:01.0/0000:81:00.0/fpga_region/region0";
/// Where the first card of the profile `fpga-arria10` is.
pub(crate) const OPAE_CARD: &str = "/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0/fpga/intel-fpga-dev.0";

pub(crate) struct Scene {
    _folder: tempfile::TempDir,
    pub(crate) node: SimulatedNode,
}

impl Scene {
    fn of(profile: &Profile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), profile).unwrap();
        Self { _folder: folder, node }
    }

    pub(crate) fn builtin(name: &str) -> Self {
        Self::of(&Profile::builtin(name).unwrap())
    }

    pub(crate) fn text(lines: &str) -> Self {
        Self::of(&Profile::parse("test", lines).unwrap())
    }

    /// Two cards on the kernel's driver, programmed with different functions.
    pub(crate) fn dfl() -> Self {
        let words = format!("device=0x0b2b interface={INTERFACE}");
        Self::text(&format!(
            "use pci-driver driver=dfl-pci\n\
             use fpga-dfl as=fpga0 id=0 region=0 pr-region=10 at=pci0000:80/0000:80:01.0 pci=0000:81:00.0 group=20 numa=1 \
             afu={FIRST} {words}\n\
             use fpga-dfl as=fpga1 id=1 region=1 pr-region=11 at=pci0000:40/0000:40:02.0 pci=0000:42:00.0 group=21 numa=0 \
             afu={SECOND} {words}\n\
             file /sys/class/fpga_region/dir/dfl-port.7/note no card\n"
        ))
    }

    pub(crate) fn look(&self, mode: Mode) -> Inventory {
        FpgaPlugin::new(Chosen::fixed(mode)).discover(&self.node.host()).unwrap()
    }

    pub(crate) fn told(&self, mode: Mode) -> Vec<String> {
        told(&self.look(mode))
    }

    pub(crate) fn set(&mut self, path: &str, text: &str) {
        self.node.set_attribute(path, text).unwrap();
    }
}

/// `region-6952...: dfl-fme.0 [dfl-port.0 dfl-fme.0] numa [1]`, a device a line, then the warnings.
pub(crate) fn told(inventory: &Inventory) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, resource) in &inventory.resources {
        for (id, device) in &resource.devices {
            let sick = if device.is_healthy() { "" } else { " unhealthy" };
            let numa = device.spec.numa.as_deref().unwrap();
            lines.push(format!("{name}: {id} [{}] numa {numa:?}{sick}", nodes(device).join(" ")));
        }
    }
    lines.extend(inventory.warnings.iter().cloned());
    lines
}

/// Names of the device's nodes, which are the same in the container.
fn nodes(device: &Device) -> Vec<&str> {
    let edits = &device.spec.edits;
    assert!(edits.nodes.iter().all(|node| {
        node.permissions == "rw" && node.host_path.ends_with(node.container_path.strip_prefix("/").unwrap())
    }));
    edits
        .nodes
        .iter()
        .map(|node| node.container_path.to_str().unwrap().strip_prefix("/dev/").unwrap())
        .collect()
}
