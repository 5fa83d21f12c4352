//! The IOMMU, without which nothing is handed to programs by VFIO.

use host::Host;

use crate::Severity::{Error, Note};
use crate::{Check, Kind, Needs, count};

const CMDLINE: &str = "/proc/cmdline";

static OFF: Kind = Kind {
    id: "iommu-off",
    severity: Error,
    about: "the IOMMU is off, and devices of this node are handed out through it",
    why: "VFIO binds no device without it, and newer kernels enable no virtual functions",
};
static OFF_BY_OPTION: Kind = Kind {
    id: "iommu-off-by-option",
    severity: Note,
    about: "the kernel was told to leave the IOMMU off",
    why: "devices that are handed out through VFIO could not be used here",
};

/// What may be found.
pub const KINDS: &[&Kind] = &[&OFF, &OFF_BY_OPTION];

/// Looks whether it is on, which is wrong only where devices need it.
pub fn check(host: &Host, needs: Needs) -> Check {
    let mut check = Check::new("iommu");
    let options = check.see(host.read(CMDLINE)).unwrap_or_default();
    let units = check.see(host.names("/sys/class/iommu")).unwrap_or_default().len();
    let groups = check.see(host.names("/sys/kernel/iommu_groups")).unwrap_or_default().len();
    let off = options.split_whitespace().find(|option| {
        matches!(*option, "intel_iommu=off" | "iommu=off")
            || option
                .strip_prefix("intel_iommu=")
                .is_some_and(|value| value.split(',').any(|word| word == "off"))
    });
    if groups > 0 {
        check.fine(format!("on: {}", count(groups, "group")));
    } else if needs.iommu {
        let said = match off {
            Some(option) => format!("the kernel was started with {option}"),
            None if units > 0 => "the kernel sees IOMMUs (/sys/class/iommu) and does not use them".to_owned(),
            None => "/sys/class/iommu shows none".to_owned(),
        };
        check.found(
            &OFF,
            format!("/sys/kernel/iommu_groups is empty; {said}"),
            "switch VT-d on in the firmware, start the kernel with intel_iommu=on (grubby --update-kernel=ALL \
             --args=intel_iommu=on), reboot",
        );
    } else if let Some(option) = off {
        check.found(
            &OFF_BY_OPTION,
            format!("{CMDLINE} has {option}"),
            "nothing, if nothing is handed out through VFIO; else remove it and reboot",
        );
    } else {
        check.fine("off, and not needed");
    }
    check
}
