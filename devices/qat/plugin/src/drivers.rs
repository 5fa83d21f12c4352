//! What the kernel's drivers for QAT and VFIO do with what is written to them, for tests
//! (`drivers/crypto/intel/qat/qat_common`, `drivers/pci/iov.c`, `drivers/pci/pci-driver.c`).

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use host::{Attributes, Host, PciAddress, PciFunction};
use simulator::{Profile, SimulatedNode};

/// The physical function of the tests, and where it is.
pub(crate) const PF: &str = "0000:6b:00.0";
pub(crate) const FOLDER: &str = "/sys/devices/pci0000:6b";

const LOADED: &str =
    "use vfio\nuse pci-driver driver=4xxx\nuse pci-driver driver=4xxxvf\nuse pci-driver driver=igb_uio\n";

/// A node with these drivers. Its virtual functions are devices named by their address, and their being bound to a
/// driver is a device, too.
#[derive(Debug)]
pub(crate) struct Drivers {
    _folder: tempfile::TempDir,
    node: Mutex<SimulatedNode>,
    /// Virtual functions are disabled by the state only.
    is_before_6_8: bool,
    /// Writes that hold one of these words fail, or do nothing.
    refused: Mutex<Vec<(String, Option<ErrorKind>)>>,
    /// `PATH=VALUE` from the last folder on, in order.
    written: Mutex<Vec<String>>,
}

impl Drivers {
    /// A physical function with `enabled` of its 3 virtual ones, these on `driver` if any.
    pub(crate) fn with(enabled: u8, driver: Option<&str>) -> Arc<Self> {
        Arc::new(Self::new(enabled, driver, false))
    }

    pub(crate) fn before_6_8(enabled: u8, driver: Option<&str>) -> Arc<Self> {
        Arc::new(Self::new(enabled, driver, true))
    }

    fn new(enabled: u8, driver: Option<&str>, is_before_6_8: bool) -> Self {
        let lines = format!("{LOADED}use qat-pf at=pci0000:6b pci={PF} group=100 services=sym;asym\n");
        let folder = tempfile::tempdir().unwrap();
        let profile = Profile::parse("test", &lines).unwrap();
        let node = SimulatedNode::create_with_stand_ins(folder.path().join("node"), &profile).unwrap();
        let drivers = Self {
            _folder: folder,
            node: Mutex::new(node),
            is_before_6_8,
            refused: Mutex::default(),
            written: Mutex::default(),
        };
        for (attribute, value) in [("sriov_totalvfs", "3"), ("sriov_offset", "1"), ("sriov_stride", "1")] {
            drivers.set(&format!("{FOLDER}/{PF}/{attribute}"), value);
        }
        drivers.add(enabled, driver);
        drivers
    }

    pub(crate) fn host(self: &Arc<Self>) -> Host {
        self.node().host().with_attributes(Arc::<Self>::clone(self))
    }

    pub(crate) fn node(&self) -> MutexGuard<'_, SimulatedNode> {
        self.node.lock().unwrap()
    }

    pub(crate) fn set(&self, path: &str, value: &str) {
        self.node().set_attribute(path, value).unwrap();
    }

    /// Of an attribute of the physical function.
    pub(crate) fn get(&self, attribute: &str) -> String {
        let path = format!("{FOLDER}/{PF}/{attribute}");
        self.node().host().read(path).unwrap()
    }

    pub(crate) fn refuse(&self, word: &str, kind: ErrorKind) {
        self.refused.lock().unwrap().push((word.to_owned(), Some(kind)));
    }

    pub(crate) fn ignore(&self, word: &str) {
        self.refused.lock().unwrap().push((word.to_owned(), None));
    }

    pub(crate) fn refuse_nothing(&self) {
        self.refused.lock().unwrap().clear();
    }

    /// What was written since the last time.
    pub(crate) fn written(&self) -> Vec<String> {
        std::mem::take(&mut self.written.lock().unwrap())
    }

    /// The virtual functions and their drivers: `0000:6b:00.1 vfio-pci`.
    pub(crate) fn bound(&self) -> Vec<String> {
        let function = PciFunction::at(&self.node().host(), PF.parse().unwrap()).unwrap();
        let functions = function.virtual_functions().unwrap();
        let line = |vf: &PciFunction| {
            format!("{} {}", vf.address(), vf.driver().unwrap().unwrap_or_else(|| "-".to_owned()))
        };
        functions.iter().map(line).collect()
    }

    fn add(&self, count: u8, driver: Option<&str>) {
        for number in 0..count {
            let at = format!("0000:6b:00.{}", number + 1);
            let words = format!("qat-vf as={at} at=pci0000:6b pci={at} pf={PF} vf={number}");
            self.node().add(&words).unwrap();
            if let Some(driver) = driver {
                self.bind(&at, driver);
            }
        }
        self.set(&format!("{FOLDER}/{PF}/sriov_numvfs"), &count.to_string());
    }

    fn remove_all(&self) {
        for line in self.bound() {
            let (at, driver) = line.split_once(' ').unwrap();
            if driver != "-" {
                self.node().remove(&format!("bound-{at}")).unwrap();
            }
            self.node().remove(at).unwrap();
        }
        self.set(&format!("{FOLDER}/{PF}/sriov_numvfs"), "0");
    }

    pub(crate) fn bind(&self, at: &str, driver: &str) {
        let function = at.parse::<PciAddress>().unwrap().function;
        let words = if driver == "vfio-pci" {
            format!("vfio-group as=bound-{at} at=pci0000:6b pci={at} group=20{function}")
        } else {
            format!("pci-bound as=bound-{at} at=pci0000:6b pci={at} driver={driver}")
        };
        self.node().add(&words).unwrap();
    }

    /// What `drivers/<driver>/bind` and `unbind` do.
    fn rebind(&self, driver: &str, file: &str, at: &str) -> io::Result<()> {
        let Ok(function) = PciFunction::at(&self.node().host(), at.parse().unwrap()) else {
            return Err(no_device());
        };
        let bound = function.driver().unwrap();
        if file == "unbind" {
            if bound.as_deref() != Some(driver) {
                return Err(no_device());
            }
            self.node().remove(&format!("bound-{at}")).unwrap();
            return Ok(());
        }
        let only = function.driver_override().unwrap();
        let told = self.node().host().read(format!("/sys/bus/pci/drivers/{driver}/new_id")).unwrap();
        let is_known =
            only.as_deref().map_or(driver == "4xxxvf" || told == "8086 4941", |only| only == driver);
        if bound.is_some() || !is_known {
            return Err(no_device());
        }
        self.bind(at, driver);
        Ok(())
    }

    fn set_number(&self, count: &str) -> io::Result<()> {
        let enabled = self.get("sriov_numvfs");
        if count == "0" && self.is_before_6_8 {
            return Err(ErrorKind::InvalidInput.into());
        }
        if count == "0" {
            self.remove_all();
            self.set(&format!("{FOLDER}/{PF}/qat/state"), "up");
            return Ok(());
        }
        if enabled != "0" {
            return Err(ErrorKind::ResourceBusy.into());
        }
        // All of them, whatever is asked for.
        let total: u8 = self.get("sriov_totalvfs").parse().unwrap();
        let driver = (self.get("sriov_drivers_autoprobe") == "1").then_some("4xxxvf");
        self.add(total, driver);
        self.set(&format!("{FOLDER}/{PF}/qat/state"), "up");
        Ok(())
    }

    fn set_services(&self, path: &str, services: &str) -> io::Result<()> {
        let known = ["asym", "sym", "dc", "decomp", "dcc"];
        let mut names: Vec<&str> = services.split(';').collect();
        if self.get("qat/state") != "down" || names.iter().any(|name| !known.contains(name)) {
            return Err(ErrorKind::InvalidInput.into());
        }
        names.sort_by_key(|name| known.iter().position(|known| known == name));
        self.set(path, &names.join(";"));
        Ok(())
    }
}

/// `ENODEV`, of which the standard library has no kind.
fn no_device() -> io::Error {
    io::Error::from_raw_os_error(19)
}

impl Attributes for Drivers {
    fn write(&self, path: &Path, value: &str) -> io::Result<()> {
        let shown = path.to_str().unwrap();
        let short = shown.strip_prefix(FOLDER).or_else(|| shown.strip_prefix("/sys/bus/pci"));
        let line = format!("{}={}", short.unwrap_or(shown).trim_start_matches('/'), value.trim_end());
        self.written.lock().unwrap().push(line.clone());
        if let Some((_, kind)) = self.refused.lock().unwrap().iter().find(|(word, _)| line.contains(word)) {
            return kind.map_or(Ok(()), |kind| Err(kind.into()));
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        match name {
            "bind" | "unbind" => {
                let driver = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
                self.rebind(driver, name, value)
            }
            "sriov_numvfs" => self.set_number(value),
            "cfg_services" => self.set_services(shown, value),
            "state" if value == "down" => {
                self.remove_all();
                self.set(shown, "down");
                Ok(())
            }
            "driver_override" if value.trim().is_empty() => {
                self.set(shown, "(null)");
                Ok(())
            }
            _ => {
                self.set(shown, value);
                Ok(())
            }
        }
    }
}
