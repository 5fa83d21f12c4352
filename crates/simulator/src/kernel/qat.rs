//! QAT's physical functions (`drivers/crypto/intel/qat/qat_common/adf_{sysfs,sriov,init,cfg_services,dbgfs}.c`).

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::machine::{Done, Machine, ensure, refuse};
use super::number;
use super::pci::Function;

/// Those whose services can be chosen.
const CONFIGURABLE: [&str; 3] = ["4xxx", "420xx", "6xxx"];

/// The services, in the order in which kernels since 6.16 show them.
const SERVICES: [&str; 5] = ["asym", "sym", "dc", "dcc", "decomp"];

/// All that kernels before 6.16 take.
const FORMER_SERVICES: [&str; 10] =
    ["sym;asym", "asym;sym", "dc", "dcc", "sym", "asym", "dc;asym", "asym;dc", "dc;sym", "sym;dc"];

impl Machine<'_> {
    pub(super) fn write_to_qat(&mut self, function: &Function, name: &str, value: &str) -> Done {
        let value = value.strip_suffix('\n').unwrap_or(value);
        let path = function.attribute("qat").join(name);
        match (name, value) {
            ("state", "up") => self.take_qat_up(function),
            ("state", "down") => self.take_qat_down(function),
            ("state", _) => refuse(Errno::INVAL),
            ("cfg_services", _) => self.set_services(function, value),
            ("auto_reset", _) => match number::boolean(value) {
                Some(resets) => self.hold(&path, if resets { "on" } else { "off" }),
                None => refuse(Errno::INVAL),
            },
            _ => self.hold(&path, value),
        }
    }

    fn is_qat_down(&self, function: &Function) -> bool {
        self.read(&function.attribute("qat/state")).as_deref() == Some("down")
    }

    /// `adf_dev_down`; virtual functions go with it (`disable_iov`).
    fn take_qat_down(&mut self, function: &Function) -> Done {
        if self.is_qat_down(function) {
            return Ok(());
        }
        self.remove_functions(function)?;
        if !self.exists(function.attribute("qat/state")) {
            // Older hardware is up again before anybody sees it down.
            return Ok(());
        }
        if let Some(folder) = self.debug_folder(function) {
            self.uproot(&folder.join("heartbeat"))?;
        }
        self.show(&function.attribute("qat/state"), "down")
    }

    /// `adf_dev_up`; virtual functions do not come back.
    fn take_qat_up(&mut self, function: &Function) -> Done {
        if !self.is_qat_down(function) {
            return Ok(());
        }
        if let Some(driver) = self.driver_of(function) {
            let words = format!("qat-heartbeat pci={} driver={driver}", function.address);
            self.graft(&function.folder, &words)?;
        }
        self.show(&function.attribute("qat/state"), "up")
    }

    /// `adf_sriov_configure`: all virtual functions or none, and the physical one is up then.
    pub(super) fn set_number_of_qat(
        &mut self,
        function: &Function,
        count: u16,
        enabled: u16,
        total: u16,
    ) -> Done {
        if count == 0 {
            ensure(self.memory.release >= (6, 8), Errno::INVAL)?;
            self.take_qat_down(function)?;
            self.remove_functions(function)?;
            return self.take_qat_up(function);
        }
        ensure(enabled == 0, Errno::BUSY)?;
        ensure(self.exists(function.attribute("iommu_group")), Errno::INVAL)?;
        self.take_qat_up(function)?;
        self.add_functions(function, total)
    }

    fn set_services(&mut self, function: &Function, value: &str) -> Done {
        let is_6xxx = self.driver_of(function).as_deref() == Some("6xxx");
        let services = if self.memory.release >= (6, 16) {
            sorted(value, is_6xxx)
        } else {
            FORMER_SERVICES.contains(&value).then(|| value.to_owned())
        };
        let Some(services) = services else { return refuse(Errno::INVAL) };
        ensure(self.is_qat_down(function), Errno::INVAL)?;
        self.hold(&function.attribute("qat/cfg_services"), &services)?;
        let Some(path) = self.debug_folder(function).map(|folder| folder.join("dev_cfg")) else {
            return Ok(());
        };
        let text = self.read(&path).unwrap_or_default();
        let line = |line: &str| {
            let is_it = line.starts_with("ServicesEnabled");
            if is_it { format!("ServicesEnabled = {services}") } else { line.to_owned() }
        };
        let lines: Vec<String> = text.lines().map(line).collect();
        self.show(&path, &lines.join("\n"))
    }

    fn debug_folder(&self, function: &Function) -> Option<PathBuf> {
        let driver = self.driver_of(function)?;
        Some(debug_folder(&driver, function))
    }

    /// A physical function comes up; every other one is for compression (`adf_gen4_cfg_dev_init`).
    pub(super) fn start_qat(&mut self, function: &Function, driver: &str) -> Done {
        if !CONFIGURABLE.contains(&driver) {
            return Ok(());
        }
        let others = self.names(Path::new("/sys/kernel/debug")).into_iter();
        let number = others.filter(|name| name.starts_with("qat_")).count();
        let services = if number % 2 == 0 { "sym;asym" } else { "dc" };
        let Function { address, folder } = function;
        let words =
            format!("qat-device at={} pci={address} driver={driver} services={services}", function.at());
        self.graft(folder, &words)?;
        self.graft(folder, &format!("qat-heartbeat pci={address} driver={driver}"))
    }

    pub(super) fn stop_qat(&mut self, function: &Function, driver: &str) -> Done {
        self.uproot(&debug_folder(driver, function))
    }
}

fn debug_folder(driver: &str, function: &Function) -> PathBuf {
    PathBuf::from(format!("/sys/kernel/debug/qat_{driver}_{}", function.address))
}

/// The services in the kernel's order, if they can go together (`adf_gen4_services_supported`, and its like for 6xxx).
fn sorted(value: &str, is_6xxx: bool) -> Option<String> {
    let mut services = Vec::new();
    for word in value.split(';') {
        let service = SERVICES.iter().position(|service| *service == word)?;
        if services.contains(&service) {
            return None;
        }
        services.push(service);
    }
    services.sort_unstable();
    let names: Vec<&str> = services.iter().filter_map(|service| SERVICES.get(*service).copied()).collect();
    let most = if is_6xxx { 3 } else { 2 };
    let good = names.len() == 1 || (names.len() <= most && !names.contains(&"dcc"));
    (good && (is_6xxx || !names.contains(&"decomp"))).then(|| names.join(";"))
}
