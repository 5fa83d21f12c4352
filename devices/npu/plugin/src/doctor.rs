//! What keeps a node from offering its NPUs.

use doctor::hardware::{self, Wanted};
use doctor::{Check, Doctor};
use host::Host;

use crate::plugin::NPUS;

/// How a node's NPUs are looked at.
pub static DOCTOR: Doctor = Doctor {
    examine: doctor,
    kinds: &[],
    absent: "lspci -nn -d 8086::1200; the NPU may be switched off in the firmware, and newer ones need a newer plugin",
};

const WANTED: Wanted<'_> = Wanted {
    drivers: &["intel_vpu"],
    module: "intel_vpu",
    // linux-firmware; the plain names are of kernels before 6.9.
    firmware: &["intel/vpu/vpu_*.bin", "intel/vpu/mtl_vpu_*.bin"],
};

fn doctor(host: &Host) -> Option<Check> {
    let mut check = Check::new("npu");
    let npus = hardware::functions(host, &mut check, &|device, _| NPUS.contains(&device));
    let npus: Vec<_> = npus.iter().collect();
    if npus.is_empty() {
        return None;
    }
    hardware::say(&mut check, &npus, "NPU");
    hardware::drivers(host, &mut check, &npus, WANTED);
    let mut nodes = Vec::new();
    for npu in npus.iter().filter(|npu| npu.driver.as_deref() == Some("intel_vpu")) {
        let names = check.see(host.names(npu.function.folder().join("accel"))).unwrap_or_default();
        nodes.extend(names.iter().map(|name| format!("/dev/accel/{name}")));
    }
    hardware::nodes(host, &mut check, &nodes);
    Some(check)
}
