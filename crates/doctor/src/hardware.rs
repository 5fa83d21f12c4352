//! What the families of devices look at alike: functions on the PCI bus, their drivers, firmware and device nodes.

use std::collections::BTreeMap;

use host::{Host, Kind as FileKind, PciFunction, PciId, pci};

use crate::Severity::{Error, Note, Warning};
use crate::{Check, Kind, count, some_of};

const INTEL: PciId = PciId(0x8086);
const FIRMWARE: &str = "/lib/firmware";

static NO_DRIVER: Kind = Kind {
    id: "driver-none",
    severity: Error,
    about: "a device has no driver",
    why: "the kernel shows nothing of it that could be offered",
};
static OTHER_DRIVER: Kind = Kind {
    id: "driver-other",
    severity: Note,
    about: "a device is on a driver that its plugin does not use",
    why: "it is not offered; right if it is meant for virtual machines",
};
static NO_FIRMWARE: Kind = Kind {
    id: "firmware-missing",
    severity: Error,
    about: "the firmware of a device is not on the node",
    why: "the driver gives the device up when it does not find the file",
};
static NO_NODE: Kind = Kind {
    id: "device-node-missing",
    severity: Error,
    about: "a device node is not in /dev",
    why: "there is nothing to hand to a container",
};
static ROOT_ONLY: Kind = Kind {
    id: "device-node-root-only",
    severity: Note,
    about: "only root may open a device node",
    why: "containers that do not run as root get `Permission denied`",
};
static UNREADABLE: Kind = Kind {
    id: "device-unreadable",
    severity: Warning,
    about: "what the kernel says of a device cannot be read or understood",
    why: "its plugin leaves it out",
};

/// What may be found.
pub const KINDS: &[&Kind] = &[&NO_DRIVER, &OTHER_DRIVER, &NO_FIRMWARE, &NO_NODE, &ROOT_ONLY, &UNREADABLE];

/// A function of a family's devices.
#[derive(Debug)]
pub struct Function {
    /// It.
    pub function: PciFunction,
    /// What it is, in Intel's numbering.
    pub device: PciId,
    /// The driver that it is bound to.
    pub driver: Option<String>,
}

/// A driver that should have functions.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Below `/sys/bus/pci/drivers`; the first is the one to load.
    pub drivers: &'a [&'a str],
    /// The module to load.
    pub module: &'a str,
    /// Files below `/lib/firmware` of which there must be one, as `FOLDER/BEGIN*END`; none if it needs none.
    pub firmware: &'a [&'a str],
}

/// Intel's functions that `is_it` knows by device id and class (`0x0b4000`), in the order of their addresses.
pub fn functions(host: &Host, check: &mut Check, is_it: &dyn Fn(PciId, &str) -> bool) -> Vec<Function> {
    let mut found = Vec::new();
    for address in check.see(pci::addresses(host)).unwrap_or_default() {
        let look = || {
            let function = PciFunction::at(host, address)?;
            if function.vendor()? != INTEL {
                return Ok(None);
            }
            let (device, class) = (function.device()?, host.read(function.folder().join("class"))?);
            if !is_it(device, &class) {
                return Ok(None);
            }
            let driver = function.driver()?;
            Ok::<_, host::HostError>(Some(Function { function, device, driver }))
        };
        found.extend(check.see(look()).flatten());
    }
    found
}

/// Finds what keeps `functions` from the driver that they should have.
pub fn drivers(host: &Host, check: &mut Check, functions: &[&Function], wanted: Wanted<'_>) {
    let Some((driver, _)) = wanted.drivers.split_first() else { return };
    let shown = |function: &&Function| format!("{} ({})", function.function.address(), function.device);
    let without: Vec<String> =
        functions.iter().copied().filter(|one| one.driver.is_none()).map(|one| shown(&one)).collect();
    if !without.is_empty() {
        let is_loaded = host.exists(format!("/sys/bus/pci/drivers/{driver}"));
        let module = wanted.module;
        let (why, fix) = if is_loaded {
            let fix = format!("dmesg | grep -i {driver}, for why it did not take them");
            (format!("the driver {driver} is loaded"), fix)
        } else {
            let boot = format!("echo {module} > /etc/modules-load.d/{module}.conf");
            (format!("the driver {driver} is not loaded"), format!("modprobe {module}; at each boot: {boot}"))
        };
        let verb = if without.len() == 1 { "has" } else { "have" };
        check.found(&NO_DRIVER, format!("{} {verb} no driver; {why}", some_of(&without)), fix);
        firmware(host, check, wanted.firmware);
    }
    let is_other =
        |one: &&Function| one.driver.as_deref().is_some_and(|driver| !wanted.drivers.contains(&driver));
    let mut others: Vec<&Function> = functions.iter().copied().filter(|one| is_other(one)).collect();
    others.sort_by(|a, b| a.driver.cmp(&b.driver));
    for same in others.chunk_by(|a, b| a.driver == b.driver) {
        let names: Vec<String> = same.iter().map(shown).collect();
        let other = same.first().and_then(|one| one.driver.as_deref()).unwrap_or_default();
        check.found(
            &OTHER_DRIVER,
            format!("{} on {other}, not on {}", some_of(&names), wanted.drivers.join(" or ")),
            format!(
                "nothing, if that is meant; else for each of them: echo {driver} > /sys/bus/pci/devices/ADDRESS/driver_override; \
                 echo ADDRESS > /sys/bus/pci/drivers/{other}/unbind; echo ADDRESS > /sys/bus/pci/drivers_probe"
            ),
        );
    }
}

/// Finds that none of these files is in the node's folder of firmware.
pub fn firmware(host: &Host, check: &mut Check, files: &[&str]) {
    if files.is_empty() {
        return;
    }
    if check.see(host.names(FIRMWARE)).is_none() {
        return check.unseen(FIRMWARE, "it is not there, so the firmware is not known");
    }
    let is_there = |file: &&str| {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", file));
        let is_it = |found: &String| {
            let found = found.trim_end_matches(".zst").trim_end_matches(".xz");
            match name.split_once('*') {
                None => found == name,
                Some((begin, end)) => found.strip_prefix(begin).is_some_and(|rest| rest.ends_with(end)),
            }
        };
        // Where the kernel looks (`Documentation/driver-api/firmware/fw_search_path.rst`).
        ["", "updates/"]
            .iter()
            .any(|way| host.names(format!("{FIRMWARE}/{way}{folder}")).unwrap_or_default().iter().any(is_it))
    };
    if !files.iter().any(is_there) {
        check.found(
            &NO_FIRMWARE,
            format!("none of {} is in {FIRMWARE}", files.join(", ")),
            "install the distribution's package of firmware (linux-firmware, on Debian firmware-misc-nonfree), then load the \
             driver again, or reboot",
        );
    }
}

/// Finds device nodes that are not there, or that only root may open. The answer is how many are there.
pub fn nodes(host: &Host, check: &mut Check, paths: &[String]) -> usize {
    let (mut missing, mut private, mut there) = (Vec::new(), Vec::new(), 0);
    for path in paths {
        match host.device_number(path) {
            Err(error) if error.is_not_found() => missing.push(path.clone()),
            Err(error) if error.source.kind() == std::io::ErrorKind::InvalidData => {
                unreadable(check, path, &error.source.to_string());
            }
            number => {
                if check.see(number).is_none() {
                    continue;
                }
                there += 1;
                let mode = host
                    .metadata(path)
                    .ok()
                    .filter(|found| found.kind != FileKind::Folder)
                    .map(|found| found.mode);
                if mode.is_some_and(|mode| mode & 0o066 == 0) {
                    private.push(path.clone());
                }
            }
        }
    }
    if !missing.is_empty() {
        check.found(
            &NO_NODE,
            format!("there is no {}", some_of(&missing)),
            "dmesg, for what the driver says; is udev running? In a container, mount the node's /dev",
        );
    }
    if !private.is_empty() {
        check.found(
            &ROOT_ONLY,
            format!("{} {} for root only", some_of(&private), if private.len() == 1 { "is" } else { "are" }),
            "a rule of udev that gives them a group, and that group in the pod's supplementalGroups; or \
             device_ownership_from_security_context = true of the runtime",
        );
    }
    there
}

/// Finds that something says what it cannot.
pub fn unreadable(check: &mut Check, path: &str, why: &str) {
    check.found(&UNREADABLE, format!("{path}: {why}"), "dmesg, for what the driver says");
}

/// Says how many there are, if any, and how many of them are on which driver.
pub fn say(check: &mut Check, functions: &[&Function], one: &str) {
    if functions.is_empty() {
        return;
    }
    let mut drivers: BTreeMap<&str, usize> = BTreeMap::new();
    for function in functions {
        *drivers.entry(function.driver.as_deref().unwrap_or_default()).or_default() += 1;
    }
    let on =
        |driver: &str| if driver.is_empty() { "without a driver".to_owned() } else { format!("on {driver}") };
    let all = count(functions.len(), one);
    if let [driver] = drivers.keys().collect::<Vec<_>>()[..] {
        check.fine(format!("{all} {}", on(driver)));
        return;
    }
    let parts = drivers.iter().rev().map(|(driver, number)| format!("{number} {}", on(driver)));
    check.fine(format!("{all}: {}", parts.collect::<Vec<_>>().join(", ")));
}
