//! What keeps a node from offering its GPUs.

use doctor::hardware::{self, Function, Wanted};
use doctor::{Check, Doctor, Kind, Severity, some_of};
use host::{Host, PciId, number_of};

use crate::card::DRIVERS;

/// How a node's GPUs are looked at.
pub static DOCTOR: Doctor = Doctor {
    examine: doctor,
    kinds: &[&NO_RENDER_NODE, &PHYSICAL],
    absent: "lspci -nn -d 8086::0300 and -d 8086::0380; a GPU of the processor may be switched off in the firmware",
};

/// What the older driver has not learned: Lunar Lake, Battlemage, Panther Lake, Wildcat Lake (`include/drm/intel/pciids.h`).
fn is_for_xe(device: PciId) -> bool {
    matches!(device.0 >> 8, 0x64 | 0xe2 | 0xb0 | 0xfd)
}

const I915: Wanted<'_> = Wanted { drivers: &["i915", "xe"], module: "i915", firmware: &["i915/*.bin"] };
const XE: Wanted<'_> = Wanted { drivers: &["xe", "i915"], module: "xe", firmware: &["xe/*.bin"] };

static NO_RENDER_NODE: Kind = Kind {
    id: "gpu-no-render-node",
    severity: Severity::Error,
    about: "a GPU's driver has made no render node",
    why: "computing and media libraries open `/dev/dri/renderD*`; the driver gave up half way, or the GPU is wedged",
};
static PHYSICAL: Kind = Kind {
    id: "gpu-virtual-functions",
    severity: Severity::Note,
    about: "a GPU has virtual functions",
    why: "the virtual functions are offered instead of it",
};

fn doctor(host: &Host) -> Option<Check> {
    let mut check = Check::new("gpu");
    // Display controllers.
    let all = hardware::functions(host, &mut check, &|_, class| class.starts_with("0x03"));
    if all.is_empty() {
        return None;
    }
    let all: Vec<&Function> = all.iter().collect();
    hardware::say(&mut check, &all, "GPU");
    // Virtual functions for virtual machines have no driver here.
    let is_spare =
        |gpu: &Function| gpu.driver.is_none() && matches!(gpu.function.physical_function(), Ok(Some(_)));
    let own = all.iter().copied().filter(|gpu| !is_spare(gpu));
    let (new, old): (Vec<&Function>, Vec<&Function>) = own.partition(|gpu| is_for_xe(gpu.device));
    hardware::drivers(host, &mut check, &old, I915);
    hardware::drivers(host, &mut check, &new, XE);
    let (mut nodes, mut without, mut physical) = (Vec::new(), Vec::new(), Vec::new());
    for gpu in all {
        let at = gpu.function.address();
        if check.see(gpu.function.sriov_numvfs()).flatten().is_some_and(|count| count > 0) {
            physical.push(at.to_string());
        }
        if !gpu.driver.as_deref().is_some_and(|driver| DRIVERS.contains(&driver)) {
            continue;
        }
        let names = check.see(host.names(gpu.function.folder().join("drm"))).unwrap_or_default();
        let has = |word: &str| names.iter().any(|name| number_of(name, word).is_some());
        if !has("renderD") {
            without.push(at.to_string());
        }
        let is_node = |name: &&String| ["card", "renderD"].iter().any(|word| number_of(name, word).is_some());
        nodes.extend(names.iter().filter(is_node).map(|name| format!("/dev/dri/{name}")));
    }
    hardware::nodes(host, &mut check, &nodes);
    if !without.is_empty() {
        check.found(
            &NO_RENDER_NODE,
            format!("{} without renderD* in /sys/bus/pci/devices/ADDRESS/drm", some_of(&without)),
            "dmesg | grep -iE 'i915|xe |guc', for why; a firmware file may be missing",
        );
        hardware::firmware(host, &mut check, &[I915.firmware, XE.firmware].concat());
    }
    if !physical.is_empty() {
        check.found(
            &PHYSICAL,
            format!("{} with sriov_numvfs above 0", some_of(&physical)),
            "nothing, if that is meant; else echo 0 > /sys/bus/pci/devices/ADDRESS/sriov_numvfs",
        );
    }
    Some(check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_gpu_is_asked_for_with_the_driver_that_knows_it() {
        // Lunar Lake, Battlemage, Panther Lake, Wildcat Lake; Flex, Max, Meteor Lake, Arrow Lake, Alder Lake, Alchemist.
        for device in [0x64a0, 0xe20b, 0xb080, 0xfd80, 0xfd81] {
            assert!(is_for_xe(PciId(device)), "{device:#x}");
        }
        for device in [0x56c0, 0x0bd5, 0x7d55, 0x7d51, 0x4680, 0x56a0] {
            assert!(!is_for_xe(PciId(device)), "{device:#x}");
        }
    }
}
