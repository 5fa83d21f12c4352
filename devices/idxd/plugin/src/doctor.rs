//! What keeps a node from offering its accelerators' queues.

use doctor::hardware::{self, Function, Wanted};
use doctor::{Check, Doctor, Kind, Severity, count, some_of};
use host::Host;

use crate::accelerator::{BUS, ENABLED};
use crate::family::{DSA as DSA_FAMILY, Family, IAA as IAA_FAMILY};
use crate::queue::is_queue;

/// How a node's DSA are looked at.
pub static DSA: Doctor = Doctor {
    examine: |host| doctor(host, &DSA_FAMILY),
    kinds: KINDS,
    absent: "lspci -nn -d 8086:0b25; it may be switched off in the firmware",
};
/// How a node's IAA are looked at.
pub static IAA: Doctor = Doctor {
    examine: |host| doctor(host, &IAA_FAMILY),
    kinds: KINDS,
    absent: "lspci -nn -d 8086:0cfe; it may be switched off in the firmware",
};

const KINDS: &[&Kind] = &[&NO_QUEUE, &NO_PASID, &NO_LINK];

static NO_QUEUE: Kind = Kind {
    id: "idxd-no-queue",
    severity: Severity::Error,
    about: "no work queue for programs is enabled",
    why: "DSA and IAA are offered queue by queue, and after boot there is none",
};
static NO_PASID: Kind = Kind {
    id: "idxd-no-pasid",
    severity: Severity::Warning,
    about: "accelerators work without process address spaces (PASIDs)",
    why: "there can be no shared queues, and none for programs on newer kernels",
};
static NO_LINK: Kind = Kind {
    id: "idxd-no-char-link",
    severity: Severity::Error,
    about: "udev's link to a work queue's node is not there",
    why: "libaccel-config finds queues by these links; such a queue is left out",
};

fn doctor(host: &Host, family: &Family) -> Option<Check> {
    let mut check = Check::new(family.name);
    let all = hardware::functions(host, &mut check, &|device, _| family.ids.contains(&device));
    if all.is_empty() {
        return None;
    }
    let all: Vec<&Function> = all.iter().collect();
    hardware::say(&mut check, &all, "accelerator");
    let (given, ours): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| family.has_vfio && one.driver.as_deref() == Some("vfio-pci"));
    check.needs.iommu = !given.is_empty();
    check.needs.huge_pages = !given.is_empty();
    hardware::drivers(host, &mut check, &ours, Wanted { drivers: &["idxd"], module: "idxd", firmware: &[] });
    if ours.iter().any(|one| one.driver.as_deref() == Some("idxd")) {
        queues(host, &mut check, family);
    }
    Some(check)
}

fn queues(host: &Host, check: &mut Check, family: &Family) {
    let names = check.see(host.names(BUS)).unwrap_or_default();
    let (mut nodes, mut links, mut disabled, mut without_pasid) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for name in names.iter().filter(|name| host::number_of(name, family.device).is_some()) {
        let read = |attribute: &str| host.read(format!("{BUS}/{name}/{attribute}"));
        if check.see(read("pasid_enabled")).as_deref() == Some("0") {
            without_pasid.push(format!("{BUS}/{name}"));
        }
        let state = check.see(read("state")).unwrap_or_default();
        if state != ENABLED {
            disabled.push(format!("{name} ({state})"));
        }
        let entries = check.see(host.names(format!("{BUS}/{name}"))).unwrap_or_default();
        for queue in entries.iter().filter(|entry| is_queue(entry)) {
            let read = |attribute: &str| host.read(format!("{BUS}/{name}/{queue}/{attribute}"));
            if check.see(read("state")).as_deref() != Some(ENABLED)
                || check.see(read("type")).as_deref() != Some("user")
            {
                continue;
            }
            let node = format!("{}/{queue}", family.nodes);
            if let Ok(number) = host.device_number(&node) {
                let link = format!("/dev/char/{}:{}", number.major, number.minor);
                if !host.exists(&link) {
                    links.push(link);
                }
            }
            nodes.push(node);
        }
    }
    hardware::nodes(host, check, &nodes);
    if nodes.is_empty() {
        let states = if disabled.is_empty() { String::new() } else { format!(": {}", some_of(&disabled)) };
        check.found(
            &NO_QUEUE,
            format!("no {BUS}/{}*/wq* has the state {ENABLED} and the type user{states}", family.device),
            format!(
                "intel-device-plugins setup {}, or the plugin's overlay with an init container",
                family.name
            ),
        );
    } else {
        check.fine(count(nodes.len(), "queue"));
    }
    if !without_pasid.is_empty() {
        check.found(
            &NO_PASID,
            format!("pasid_enabled is 0 for {}", some_of(&without_pasid)),
            "switch VT-d's scalable mode on in the firmware, start the kernel with intel_iommu=on,sm_on, reboot",
        );
    }
    if !links.is_empty() {
        check.found(
            &NO_LINK,
            format!("there is no {}", some_of(&links)),
            // The kernel has the queues of both families on this bus.
            "systemctl status systemd-udevd, then udevadm trigger -s dsa",
        );
    }
}
