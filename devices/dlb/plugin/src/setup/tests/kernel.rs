//! The kernel of a node with load balancers.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use host::{Attributes, Host, PciFunction};
use simulator::{Profile, SimulatedNode};

/// The physical function of the tests.
pub(super) const PF: &str = "0000:6d:00.0";
/// Where programs write to it.
pub(super) const DEVICE: &str = "/sys/bus/pci/devices/0000:6d:00.0";
/// Where it is, without links.
pub(super) const FOLDER: &str = "/sys/devices/pci0000:6d/0000:6d:00.0";

/// The simulator's, which can also refuse values, do nothing, and keep to itself where virtual functions will be.
#[derive(Debug)]
pub(super) struct Kernel {
    _folder: tempfile::TempDir,
    kernel: Arc<simulator::Kernel>,
    /// Writes that hold one of these words fail, or do nothing.
    refused: Mutex<Vec<(String, Option<ErrorKind>)>>,
    /// `PATH=VALUE` from the last folder on, in order.
    written: Mutex<Vec<String>>,
}

impl Kernel {
    /// A node with these physical functions on the driver.
    pub(super) fn with(physical: &[&str]) -> Arc<Self> {
        let mut lines = "use pci-driver driver=dlb2\nuse pci-driver driver=vfio-pci\n".to_owned();
        for (id, at) in physical.iter().enumerate() {
            let (bus, id) = (at.get(..7).unwrap(), id * 100);
            lines += &format!("use dlb-pf as={at} id={id} at=pci{bus} pci={at} group={id}\n");
        }
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::parse("test", &lines).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        let kernel = simulator::Kernel::run(node);
        Arc::new(Self { _folder: folder, kernel, refused: Mutex::default(), written: Mutex::default() })
    }

    pub(super) fn host(self: &Arc<Self>) -> Host {
        self.node().host().with_attributes(Arc::<Self>::clone(self))
    }

    pub(super) fn node(&self) -> MutexGuard<'_, SimulatedNode> {
        self.kernel.node()
    }

    pub(super) fn refuse(&self, word: &str, kind: ErrorKind) {
        self.refused.lock().unwrap().push((word.to_owned(), Some(kind)));
    }

    pub(super) fn ignore(&self, word: &str) {
        self.refused.lock().unwrap().push((word.to_owned(), None));
    }

    pub(super) fn refuse_nothing(&self) {
        self.refused.lock().unwrap().clear();
    }

    /// What was written since the last time.
    pub(super) fn written(&self) -> Vec<String> {
        std::mem::take(&mut self.written.lock().unwrap())
    }

    /// An attribute of the first physical function.
    pub(super) fn get(&self, attribute: &str) -> String {
        self.node().host().read(format!("{DEVICE}/{attribute}")).unwrap()
    }

    /// Makes an attribute of the first physical function hold a value, and the folder that it is in.
    pub(super) fn set(&self, attribute: &str, value: &str) {
        self.put(&format!("{FOLDER}/{attribute}"), value);
    }

    fn put(&self, path: &str, value: &str) {
        let mut node = self.node();
        fs::create_dir_all(node.host().outside(Path::new(path).parent().unwrap())).unwrap();
        node.set_attribute(path, value).unwrap();
    }

    /// An administrator's write, which is not counted.
    pub(super) fn administer(&self, path: &str, value: &str) {
        let path = self.node().host().resolve(path).unwrap();
        self.obey(&path, value).unwrap();
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

    fn obey(&self, path: &Path, value: &str) -> io::Result<()> {
        if !path.ends_with("sriov_numvfs") {
            return self.kernel.write(path, value);
        }
        // The simulator does not know either where the functions will be when the node does not show it.
        let folder = path.parent().unwrap();
        let places = ["sriov_offset", "sriov_stride"].map(|name| folder.join(name).display().to_string());
        let shown = places.each_ref().map(|place| self.node().host().read(place).ok());
        for place in &places {
            self.put(place, "1");
        }
        let done = self.kernel.write(path, value);
        for (place, shown) in places.iter().zip(shown) {
            match shown {
                Some(shown) => self.put(place, &shown),
                None => self.node().delete(place).unwrap(),
            }
        }
        done
    }
}

impl Attributes for Kernel {
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let shown = path.to_str().unwrap();
        let short = shown.strip_prefix("/sys/bus/pci/").or(shown.get("/sys/devices/pci0000:6d/".len()..));
        let line = format!("{}={value}", short.unwrap());
        self.written.lock().unwrap().push(line.clone());
        let refused = self.refused.lock().unwrap().iter().find(|(word, _)| line.contains(word)).cloned();
        match refused {
            Some((_, Some(kind))) => Err(kind.into()),
            Some((_, None)) => Ok(()),
            None => self.obey(path, value),
        }
    }
}
