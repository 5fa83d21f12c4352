//! Nodes with load balancers and a kernel.

use std::fs;
use std::path::Path;
use std::sync::{Arc, MutexGuard};

use host::{Host, PciFunction};
use simulator::{Kernel, Profile, SimulatedNode};

/// The physical function of the tests.
pub(super) const PF: &str = "0000:6d:00.0";
/// Where programs write to it.
pub(super) const DEVICE: &str = "/sys/bus/pci/devices/0000:6d:00.0";
/// Where it is, without links.
pub(super) const FOLDER: &str = "/sys/devices/pci0000:6d/0000:6d:00.0";

#[derive(Debug)]
pub(super) struct Scene {
    _folder: tempfile::TempDir,
    pub(super) kernel: Arc<Kernel>,
}

impl Scene {
    /// A node with these physical functions on the driver.
    pub(super) fn with(physical: &[&str]) -> Self {
        let mut lines = "use pci-driver driver=dlb2\nuse pci-driver driver=vfio-pci\n".to_owned();
        for (id, at) in physical.iter().enumerate() {
            let (bus, id) = (at.get(..7).unwrap(), id * 100);
            lines += &format!("use dlb-pf as={at} id={id} at=pci{bus} pci={at} group={id}\n");
        }
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::parse("test", &lines).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        Self { _folder: folder, kernel: Kernel::run(node) }
    }

    /// The node, as programs see it.
    pub(super) fn host(&self) -> Host {
        self.kernel.host()
    }

    pub(super) fn node(&self) -> MutexGuard<'_, SimulatedNode> {
        self.kernel.node()
    }

    /// What was written since the last time: `PATH=VALUE`, from the last folder on.
    pub(super) fn written(&self) -> Vec<String> {
        let written = self.kernel.written();
        self.kernel.forget_written();
        let short = |path: &Path| {
            let short = path.strip_prefix("/sys/bus/pci").or(path.strip_prefix("/sys/devices/pci0000:6d"));
            short.unwrap().display().to_string()
        };
        written.iter().map(|(path, value)| format!("{}={value}", short(path))).collect()
    }

    /// An attribute of the first physical function.
    pub(super) fn get(&self, attribute: &str) -> String {
        self.node().host().read(format!("{DEVICE}/{attribute}")).unwrap()
    }

    /// Makes an attribute of the first physical function hold a value, and the folder that it is in.
    pub(super) fn set(&self, attribute: &str, value: &str) {
        let path = Path::new(FOLDER).join(attribute);
        let mut node = self.node();
        fs::create_dir_all(node.host().outside(path.parent().unwrap())).unwrap();
        node.set_attribute(path, value).unwrap();
    }

    /// An administrator's write, which is not counted.
    pub(super) fn administer(&self, path: &str, value: &str) {
        self.host().write(path, value).unwrap();
        self.kernel.forget_written();
    }

    pub(super) fn enable(&self, count: u16) {
        self.administer(&format!("{DEVICE}/sriov_numvfs"), &count.to_string());
    }

    pub(super) fn unbind(&self, at: &str) {
        self.administer("/sys/bus/pci/drivers/dlb2/unbind", at);
    }

    /// The virtual functions and their drivers: `0000:6d:00.1 dlb2`.
    pub(super) fn bound(&self) -> Vec<String> {
        let function = PciFunction::at(&self.node().host(), PF.parse().unwrap()).unwrap();
        let line = |vf: &PciFunction| {
            format!("{} {}", vf.address(), vf.driver().unwrap().unwrap_or_else(|| "-".to_owned()))
        };
        function.virtual_functions().unwrap().iter().map(line).collect()
    }
}
