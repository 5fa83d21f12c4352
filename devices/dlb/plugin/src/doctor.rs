//! What keeps a node from offering its load balancers.

use doctor::hardware::{self, Function, Wanted};
use doctor::{Check, Doctor, Kind, Severity, some_of};
use host::{Host, PciId};

use crate::balancer::given;

/// How a node's load balancers are looked at.
pub static DOCTOR: Doctor = Doctor {
    examine: doctor,
    kinds: &[&EMPTY],
    absent: "lspci -nn -d 8086:2710; it may be switched off in the firmware",
};

/// Physical and virtual functions of 2.0 and 2.5 (`drivers/misc/dlb2` of Intel's driver).
const BALANCERS: [PciId; 4] = [PciId(0x2710), PciId(0x2711), PciId(0x2714), PciId(0x2715)];

const WANTED: Wanted<'_> = Wanted { drivers: &["dlb2"], module: "dlb2", firmware: &[] };

static EMPTY: Kind = Kind {
    id: "dlb-vf-empty",
    severity: Severity::Error,
    about: "a virtual function of a DLB was given no resources",
    why: "it is offered as unhealthy: a program cannot do anything with it",
};

fn doctor(host: &Host) -> Option<Check> {
    let mut check = Check::new("dlb");
    let all = hardware::functions(host, &mut check, &|device, _| BALANCERS.contains(&device));
    if all.is_empty() {
        return None;
    }
    check.needs.huge_pages = true;
    let all: Vec<&Function> = all.iter().collect();
    hardware::say(&mut check, &all, "function");
    hardware::drivers(host, &mut check, &all, WANTED);
    let (mut nodes, mut empty) = (Vec::new(), Vec::new());
    for one in all.iter().filter(|one| one.driver.as_deref() == Some("dlb2")) {
        let names = check.see(host.names(one.function.folder().join("dlb2"))).unwrap_or_default();
        nodes.extend(names.iter().map(|name| format!("/dev/{name}")));
        let enabled = check.see(one.function.sriov_numvfs()).flatten().unwrap_or_default();
        for number in 0..enabled {
            if check.see(given(host, &one.function, number)).flatten() == Some(0) {
                let folder = one.function.folder().display();
                empty.push(format!("{folder}/vf{number}_resources"));
            }
        }
    }
    hardware::nodes(host, &mut check, &nodes);
    if !empty.is_empty() {
        check.found(
            &EMPTY,
            format!("all files num_* of {} are 0", some_of(&empty)),
            "intel-device-plugins setup dlb",
        );
    }
    Some(check)
}
