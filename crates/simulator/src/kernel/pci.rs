//! PCI functions and their drivers (`drivers/pci/pci-driver.c`, `drivers/pci/pci-sysfs.c`, `drivers/base/{bus,dd}.c`).

use std::path::{Path, PathBuf};

use host::{PciAddress, PciId};
use rustix::io::Errno;

use super::drivers::{self, Kind};
use super::machine::{Done, Machine, ensure, refuse};
use super::number;
use crate::node::pci_class;

const DRIVERS: &str = "/sys/bus/pci/drivers";

/// Attributes that can only be read.
const FIXED: [&str; 11] = [
    "vendor",
    "device",
    "subsystem_vendor",
    "subsystem_device",
    "class",
    "revision",
    "local_cpulist",
    "sriov_totalvfs",
    "sriov_offset",
    "sriov_stride",
    "sriov_vf_device",
];

/// A PCI function that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) address: PciAddress,
    /// Its folder below `/sys/devices`.
    pub(super) folder: PathBuf,
}

impl Function {
    /// The way to it below `/sys/devices`, as templates want it.
    pub(super) fn at(&self) -> String {
        let above = self.folder.parent().unwrap_or(&self.folder);
        above.strip_prefix("/sys/devices").unwrap_or(above).display().to_string()
    }

    pub(super) fn attribute(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Machine<'_> {
    /// The function of that name; a newline may follow it (`sysfs_streq`).
    pub(super) fn function(&self, name: &str) -> Option<Function> {
        let name = name.strip_suffix('\n').unwrap_or(name);
        let address: PciAddress = name.parse().ok()?;
        let folder = self.node.host().resolve(format!("/sys/bus/pci/devices/{name}")).ok()?;
        Some(Function { address, folder })
    }

    /// The function that an attribute is of, and the rest of the attribute's path.
    pub(super) fn function_above(&self, path: &Path) -> Option<(Function, String)> {
        let of = |folder: &Path| {
            let function = self.function(folder.file_name()?.to_str()?)?;
            (function.folder == folder).then_some(function)
        };
        let function = path.ancestors().skip(1).find_map(of)?;
        let rest = path.strip_prefix(&function.folder).ok()?.to_str()?.to_owned();
        Some((function, rest))
    }

    /// A write to an attribute of a function, or of what is below it; `rest` is its path there.
    pub(super) fn write_to_function(
        &mut self,
        function: &Function,
        rest: &str,
        path: &Path,
        value: &str,
    ) -> Done {
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            ["driver_override"] => self.set_override(function, value),
            ["sriov_numvfs"] => self.set_number_of_functions(function, value),
            ["sriov_drivers_autoprobe"] => match number::boolean(value) {
                Some(probes) => self.hold(path, if probes { "1" } else { "0" }),
                None => refuse(Errno::INVAL),
            },
            [name] if FIXED.contains(name) => refuse(Errno::ACCESS),
            ["qat", name] => self.write_to_qat(function, name, value),
            [folder, name] if folder.starts_with("vf") && folder.ends_with("_resources") => {
                self.write_to_resource(function, folder, name, value)
            }
            [device, ..] if self.is_accelerator(function, device) => {
                self.write_to_accelerator(&function.attribute(device), path, value)
            }
            _ => self.hold(path, value),
        }
    }

    /// `driver_set_override`: an empty line is none.
    fn set_override(&mut self, function: &Function, value: &str) -> Done {
        let driver = value.split('\n').next().unwrap_or_default();
        let shown = if driver.is_empty() { "(null)" } else { driver };
        self.hold(&function.attribute("driver_override"), shown)
    }

    fn driver_override(&self, function: &Function) -> Option<String> {
        let driver = self.read(&function.attribute("driver_override"))?;
        (!driver.is_empty() && driver != "(null)").then_some(driver)
    }

    /// What it is bound to.
    pub(super) fn driver_of(&self, function: &Function) -> Option<String> {
        self.link_name(&function.attribute("driver"))
    }

    pub(super) fn ids_of(&self, function: &Function) -> Option<(PciId, PciId)> {
        Some((self.parse(&function.attribute("vendor"))?, self.parse(&function.attribute("device"))?))
    }

    pub(super) fn write_to_pci_driver(&mut self, driver: &str, file: &str, value: &str) -> Done {
        if file.ends_with("_id") {
            return self.change_ids(driver, file, value);
        }
        let Some(function) = self.function(value) else { return refuse(Errno::NODEV) };
        if file == "bind" {
            ensure(self.matches(driver, &function), Errno::NODEV)?;
            return self.bind(driver, &function);
        }
        ensure(self.driver_of(&function).as_deref() == Some(driver), Errno::NODEV)?;
        self.unbind(driver, &function)
    }

    /// `pci_match_device`: with an override, only that driver, whatever it is for.
    fn matches(&self, driver: &str, function: &Function) -> bool {
        if let Some(only) = self.driver_override(function) {
            return only == driver;
        }
        let Some(ids) = self.ids_of(function) else { return false };
        let told = |list: Option<&Vec<_>>| list.is_some_and(|list| list.contains(&ids));
        drivers::is_for(driver, ids.0, ids.1)
            || told(self.memory.known.get(driver))
            || told(self.memory.told.get(driver))
    }

    /// Binds a function to a driver that matches.
    fn bind(&mut self, driver: &str, function: &Function) -> Done {
        ensure(self.driver_of(function).is_none(), Errno::BUSY)?;
        let is_free = self.parse(&function.attribute("physfn/sriov_drivers_autoprobe")) != Some(0);
        ensure(is_free || self.driver_override(function).is_some(), Errno::NODEV)?;
        match drivers::kind_of(driver) {
            Kind::Plain | Kind::QatVf => {}
            Kind::Qat => self.start_qat(function, driver)?,
            Kind::Dlb => self.start_dlb(function)?,
            Kind::Idxd => self.start_idxd(function)?,
            Kind::Vfio => self.start_vfio(function)?,
        }
        let Function { address, folder } = function;
        self.graft(folder, &format!("pci-bound at={} pci={address} driver={driver}", function.at()))?;
        self.announce_function("bind", function, &[("DRIVER", driver)])
    }

    fn unbind(&mut self, driver: &str, function: &Function) -> Done {
        self.remove_functions(function)?;
        for name in self.names(&function.folder) {
            let path = function.attribute(&name);
            let is_link = self.node.host().link_target(&path).is_ok();
            if !is_link && self.node.host().names(&path).is_ok() {
                self.uproot(&path)?;
            }
        }
        let address = function.address.to_string();
        let bound = Path::new(DRIVERS).join(driver).join(&address);
        self.cut(&[function.attribute("driver"), bound])?;
        match drivers::kind_of(driver) {
            Kind::Qat => self.stop_qat(function, driver)?,
            Kind::Vfio => self.stop_vfio(function)?,
            Kind::Dlb => self.stop_dlb(function)?,
            Kind::Plain | Kind::QatVf | Kind::Idxd => {}
        }
        self.announce_function("unbind", function, &[])
    }

    /// Announces something of a function, with what the kernel says of each (`pci_uevent`).
    pub(super) fn announce_function(
        &mut self,
        action: &str,
        function: &Function,
        more: &[(&str, &str)],
    ) -> Done {
        let address = function.address.to_string();
        let class = self.read(&function.attribute("class"));
        let class = class.as_deref().and_then(pci_class);
        let own = [("PCI_CLASS", class.as_deref()), ("PCI_SLOT_NAME", Some(&*address))];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let properties: Vec<(&str, &str)> = more.iter().copied().chain(own).collect();
        self.announce(action, "pci", &function.folder, &properties)
    }

    /// Unbinds a function from whatever it is bound to.
    pub(super) fn release(&mut self, function: &Function) -> Done {
        match self.driver_of(function) {
            Some(driver) => self.unbind(&driver, function),
            None => Ok(()),
        }
    }

    /// `device_attach`: binds a function to the first driver that takes it, if one does.
    pub(super) fn attach(&mut self, function: &Function) {
        for driver in self.names(Path::new(DRIVERS)) {
            if self.matches(&driver, function) && self.bind(&driver, function).is_ok() {
                return;
            }
        }
    }

    /// `drivers_probe`: no driver is not an error.
    pub(super) fn probe(&mut self, value: &str) -> Done {
        let Some(function) = self.function(value) else { return refuse(Errno::NODEV) };
        if self.driver_of(&function).is_none() {
            self.attach(&function);
        }
        Ok(())
    }

    fn change_ids(&mut self, driver: &str, file: &str, value: &str) -> Done {
        let number = |word: &str| u16::try_from(number::unsigned(word, 16)?).ok().map(PciId);
        let mut words = value.split_whitespace().map(number);
        let (Some(Some(vendor)), Some(Some(device))) = (words.next(), words.next()) else {
            return refuse(Errno::INVAL);
        };
        let ids = (vendor, device);
        let knows = drivers::is_for(driver, vendor, device)
            || self.memory.known.get(driver).is_some_and(|list| list.contains(&ids));
        let told = self.memory.told.entry(driver.to_owned()).or_default();
        let place = told.iter().position(|known| *known == ids);
        if file == "remove_id" {
            return match place {
                Some(place) => {
                    told.remove(place);
                    Ok(())
                }
                None => refuse(Errno::NODEV),
            };
        }
        ensure(place.is_none() && !knows, Errno::EXIST)?;
        told.push(ids);
        for name in self.names(Path::new("/sys/bus/pci/devices")) {
            if let Some(function) = self.function(&name)
                && self.driver_of(&function).is_none()
                && self.matches(driver, &function)
            {
                // A function that the driver cannot take keeps none; the id stays.
                let _ = self.bind(driver, &function);
            }
        }
        Ok(())
    }
}
