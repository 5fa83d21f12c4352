//! A node with a QAT and a kernel, for tests of what writes to it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard};

use host::{Host, PciFunction};
use simulator::{Kernel, Profile, SimulatedNode};

/// The physical function of the tests, and where it is.
pub(crate) const PF: &str = "0000:6b:00.0";
pub(crate) const FOLDER: &str = "/sys/devices/pci0000:6b";

const LOADED: &str = "use vfio\nuse pci-driver driver=4xxx\nuse pci-driver driver=4xxxvf\n\
                      use pci-driver driver=6xxx\nuse pci-driver driver=igb_uio\n";

/// A node with a physical function.
#[derive(Debug)]
pub(crate) struct Scene {
    _folder: tempfile::TempDir,
    pub(crate) kernel: Arc<Kernel>,
}

impl Scene {
    /// It can have 3 virtual functions, and has none.
    pub(crate) fn new() -> Self {
        Self::of("")
    }

    /// As [`new`](Self::new), with all 3 of them on a driver if any.
    pub(crate) fn enabled(driver: Option<&str>) -> Self {
        let scene = Self::new();
        scene.enable(driver);
        scene
    }

    /// With more words for the template `qat-pf`.
    pub(crate) fn of(words: &str) -> Self {
        let lines = format!("{LOADED}use qat-pf at=pci0000:6b pci={PF} group=100 {words}\n");
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::parse("test", &lines).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        let scene = Self { _folder: folder, kernel: Kernel::run(node) };
        scene.set("sriov_totalvfs", "3");
        scene
    }

    /// Makes all virtual functions that there can be, on a driver if any.
    pub(crate) fn enable(&self, driver: Option<&str>) {
        let total = self.get("sriov_totalvfs");
        self.administer(&format!("/sys/bus/pci/devices/{PF}/sriov_numvfs"), &total);
        for at in self.addresses() {
            if driver != Some("4xxxvf") {
                self.unbind(&at);
            }
            if let Some(driver) = driver.filter(|driver| *driver != "4xxxvf") {
                self.bind(&at, driver);
            }
        }
    }

    /// The node, as programs see it.
    pub(crate) fn host(&self) -> Host {
        self.kernel.host()
    }

    pub(crate) fn node(&self) -> MutexGuard<'_, SimulatedNode> {
        self.kernel.node()
    }

    /// What an attribute of the physical function shows from now on.
    pub(crate) fn set(&self, attribute: &str, value: &str) {
        self.node().set_attribute(format!("{FOLDER}/{PF}/{attribute}"), value).unwrap();
    }

    /// Of an attribute of the physical function.
    pub(crate) fn get(&self, attribute: &str) -> String {
        self.node().host().read(format!("{FOLDER}/{PF}/{attribute}")).unwrap()
    }

    pub(crate) fn delete(&self, attribute: &str) {
        self.node().delete(format!("{FOLDER}/{PF}/{attribute}")).unwrap();
    }

    /// An administrator's write, which no test counts.
    pub(crate) fn administer(&self, path: &str, value: &str) {
        self.host().write(path, value).unwrap();
        self.kernel.forget_written();
    }

    /// An administrator binds a function that has no driver.
    pub(crate) fn bind(&self, at: &str, driver: &str) {
        self.administer(&format!("/sys/bus/pci/devices/{at}/driver_override"), driver);
        self.administer(&format!("/sys/bus/pci/drivers/{driver}/bind"), at);
    }

    /// An administrator takes a function from its driver, and wants no other for it.
    pub(crate) fn unbind(&self, at: &str) {
        self.administer(&format!("/sys/bus/pci/devices/{at}/driver/unbind"), at);
        self.administer(&format!("/sys/bus/pci/devices/{at}/driver_override"), "\n");
    }

    /// What was written since the last time: `PATH=VALUE`, from the last folder on.
    pub(crate) fn written(&self) -> Vec<String> {
        let written = self.kernel.written();
        self.kernel.forget_written();
        written.iter().map(|(path, value)| format!("{}={value}", short(path).display())).collect()
    }

    fn addresses(&self) -> Vec<String> {
        self.functions().iter().map(|function| function.address().to_string()).collect()
    }

    fn functions(&self) -> Vec<PciFunction> {
        let function = PciFunction::at(&self.node().host(), PF.parse().unwrap()).unwrap();
        function.virtual_functions().unwrap()
    }

    /// The virtual functions and their drivers: `0000:6b:00.1 vfio-pci`.
    pub(crate) fn bound(&self) -> Vec<String> {
        let line = |vf: &PciFunction| {
            format!("{} {}", vf.address(), vf.driver().unwrap().unwrap_or_else(|| "-".to_owned()))
        };
        self.functions().iter().map(line).collect()
    }

    /// All that the node shows.
    pub(crate) fn tree(&self) -> String {
        simulator::listing(self.node().root()).unwrap()
    }
}

fn short(path: &Path) -> PathBuf {
    let short = path.strip_prefix(FOLDER).or_else(|_| path.strip_prefix("/sys/bus/pci"));
    short.unwrap_or(path).to_owned()
}
