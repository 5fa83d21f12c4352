//! What keeps a node from offering QAT.

use doctor::hardware::{self, Function, Wanted};
use doctor::{Check, Doctor, Kind, Severity, some_of};
use host::{Host, PciId};

use crate::generation::{GENERATIONS, Generation, of_vf};

/// How a node's QAT is looked at.
pub static DOCTOR: Doctor = Doctor {
    examine: doctor,
    kinds: &[&NO_VFS, &NO_VFIO, &DENIED, &DOWN, &NO_SERVICES, &NOT_BY_DEFAULT],
    absent: "lspci -nn -d 8086::0b40; it may be switched off in the firmware",
};

const VFIO: &str = "/sys/bus/pci/drivers/vfio-pci";
/// `Y` if it takes what is on its list of devices that programs should not have.
const DENYLIST: &str = "/sys/module/vfio_pci/parameters/disable_denylist";
/// The drivers of what is on the list (`vfio_pci_dev_in_denylist`).
const DENIED_DRIVERS: [&str; 3] = ["dh895xccvf", "c3xxxvf", "c6xxvf"];

static NO_VFS: Kind = Kind {
    id: "qat-no-virtual-functions",
    severity: Severity::Error,
    about: "a QAT has no virtual functions",
    why: "QAT is offered by its virtual functions, and after boot there are none",
};
static NO_VFIO: Kind = Kind {
    id: "qat-vfio-not-loaded",
    severity: Severity::Error,
    about: "there are virtual functions, and the driver that containers use them by is not loaded",
    why: "the plugin cannot bind them to vfio-pci, and leaves them out",
};
static DENIED: Kind = Kind {
    id: "qat-vfio-denied",
    severity: Severity::Error,
    about: "vfio-pci refuses virtual functions of older QAT",
    why: "the plugin cannot bind them, and leaves them out",
};
static DOWN: Kind = Kind {
    id: "qat-down",
    severity: Severity::Error,
    about: "a QAT is down",
    why: "its virtual functions are unhealthy",
};
static NO_SERVICES: Kind = Kind {
    id: "qat-services-unknown",
    severity: Severity::Note,
    about: "it is not known which services a QAT is configured for",
    why: "its virtual functions are offered as `generic` instead of `cy`, `dc` and so on",
};
static NOT_BY_DEFAULT: Kind = Kind {
    id: "qat-not-by-default",
    severity: Severity::Note,
    about: "a QAT is of a generation that the plugin offers only when told to",
    why: "without the flag nothing is offered of it",
};

/// A kernel driver for physical functions, its module and its firmware.
struct Physical {
    ids: &'static [u16],
    driver: &'static str,
    module: &'static str,
    firmware: &'static [&'static str],
}

/// `drivers/crypto/intel/qat`, and Intel's own driver for two generations that Linux has none for.
const PHYSICAL: [Physical; 9] = [
    Physical { ids: &[0x4940, 0x4942], driver: "4xxx", module: "qat_4xxx", firmware: &["qat_4xxx.bin"] },
    Physical { ids: &[0x4944], driver: "4xxx", module: "qat_4xxx", firmware: &["qat_402xx.bin"] },
    Physical { ids: &[0x4946], driver: "420xx", module: "qat_420xx", firmware: &["qat_420xx.bin"] },
    Physical { ids: &[0x4948], driver: "6xxx", module: "qat_6xxx", firmware: &["qat_6xxx.bin"] },
    Physical { ids: &[0x0435], driver: "dh895xcc", module: "qat_dh895xcc", firmware: &["qat_895xcc.bin"] },
    Physical { ids: &[0x19e2], driver: "c3xxx", module: "qat_c3xxx", firmware: &["qat_c3xxx.bin"] },
    Physical { ids: &[0x37c8], driver: "c6xx", module: "qat_c62x", firmware: &["qat_c62x.bin"] },
    Physical { ids: &[0x18a0], driver: "c4xxx", module: "qat_c4xxx", firmware: &[] },
    Physical { ids: &[0x6f54], driver: "d15xx", module: "qat_d15xx", firmware: &[] },
];

/// What `-kernel-vf-drivers` has by default.
const BY_DEFAULT: [&str; 2] = ["4xxx", "420xx"];

fn doctor(host: &Host) -> Option<Check> {
    let mut check = Check::new("qat");
    let physical = |id: PciId| PHYSICAL.iter().any(|one| one.ids.contains(&id.0));
    let all = hardware::functions(host, &mut check, &|id, _| physical(id) || of_vf(id).is_some());
    if all.is_empty() {
        return None;
    }
    check.needs.iommu = true;
    check.needs.huge_pages = true;
    let (of_host, virtual_ones): (Vec<&Function>, Vec<&Function>) =
        all.iter().partition(|one| physical(one.device));
    hardware::say(&mut check, &of_host, "physical function");
    hardware::say(&mut check, &virtual_ones, "virtual function");
    for kind in &PHYSICAL {
        let mine: Vec<&Function> =
            of_host.iter().copied().filter(|one| kind.ids.contains(&one.device.0)).collect();
        let wanted = Wanted { drivers: &[kind.driver], module: kind.module, firmware: kind.firmware };
        hardware::drivers(host, &mut check, &mine, wanted);
    }
    let is_bound = |one: &&Function| one.driver.as_deref().is_some_and(|driver| generation(driver).is_some());
    let bound: Vec<&Function> = of_host.into_iter().filter(|one| is_bound(one)).collect();
    physical_functions(host, &mut check, &bound);
    if !virtual_ones.is_empty() {
        virtual_functions(host, &mut check, &virtual_ones);
    }
    Some(check)
}

fn generation(pf_driver: &str) -> Option<&'static Generation> {
    GENERATIONS.iter().find(|generation| generation.pf_driver == pf_driver)
}

/// Those on their driver.
fn physical_functions(host: &Host, check: &mut Check, functions: &[&Function]) {
    let (mut without, mut down, mut unknown, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for one in functions {
        let at = one.function.address().to_string();
        let read = |name: &str| host.read(one.function.folder().join(name));
        if check.see(one.function.sriov_numvfs()).flatten() == Some(0) {
            without.push(at.clone());
        }
        if check.see(read("qat/state")).as_deref() == Some("down") {
            down.push(at.clone());
        }
        let driver = one.driver.as_deref().unwrap_or_default();
        if generation(driver).is_some_and(|generation| generation.has_services)
            && check.see(read("qat/cfg_services")).is_none_or(|services| services.is_empty())
        {
            unknown.push(at.clone());
        }
        if !BY_DEFAULT.contains(&driver) {
            others.push(format!("{at} ({driver})"));
        }
    }
    if !without.is_empty() {
        check.found(
            &NO_VFS,
            format!("sriov_numvfs is 0 for {}", some_of(&without)),
            "intel-device-plugins setup qat, or the plugin's overlay with an init container",
        );
    }
    if !down.is_empty() {
        check.found(
            &DOWN,
            format!("qat/state is down for {}", some_of(&down)),
            "for each: echo up > /sys/bus/pci/devices/ADDRESS/qat/state; if it goes down again, see dmesg",
        );
    }
    if !unknown.is_empty() {
        check.found(
            &NO_SERVICES,
            format!("qat/cfg_services says nothing for {}", some_of(&unknown)),
            "Linux 6.0 or later; intel-device-plugins setup qat with ServicesEnabled in its file",
        );
    }
    if !others.is_empty() {
        let mut drivers: Vec<String> =
            functions.iter().filter_map(|one| Some(format!("{}vf", one.driver.as_deref()?))).collect();
        drivers.sort_unstable();
        drivers.dedup();
        check.found(
            &NOT_BY_DEFAULT,
            some_of(&others),
            format!("give the plugin -kernel-vf-drivers={}", drivers.join(",")),
        );
    }
}

fn virtual_functions(host: &Host, check: &mut Check, functions: &[&Function]) {
    if !host.exists(VFIO) && !host.exists("/sys/bus/pci/drivers/igb_uio") {
        check.found(
            &NO_VFIO,
            format!("{VFIO} is not there"),
            "modprobe vfio-pci; at each boot: echo vfio-pci > /etc/modules-load.d/vfio-pci.conf",
        );
    }
    let is_denied = |one: &&&Function| {
        of_vf(one.device).is_some_and(|generation| DENIED_DRIVERS.contains(&generation.vf_driver))
            && one.driver.as_deref() != Some("vfio-pci")
    };
    let denied: Vec<String> =
        functions.iter().filter(is_denied).map(|one| one.function.address().to_string()).collect();
    if !denied.is_empty() && check.see(host.read(DENYLIST)).as_deref() == Some("N") {
        check.found(
            &DENIED,
            format!("{DENYLIST} is N, and {} {} on its list", some_of(&denied), if denied.len() == 1 { "is" } else { "are" }),
            "echo options vfio-pci disable_denylist=1 > /etc/modprobe.d/vfio-pci.conf; modprobe -r vfio-pci; modprobe vfio-pci",
        );
    }
    let mut nodes = Vec::new();
    for one in functions.iter().filter(|one| one.driver.as_deref() == Some("vfio-pci")) {
        let group = check.see(one.function.vfio_group()).flatten();
        nodes.extend(group.map(|group| format!("/dev/vfio/{group}")));
    }
    if !nodes.is_empty() {
        nodes.push("/dev/vfio/vfio".to_owned());
    }
    hardware::nodes(host, check, &nodes);
}
