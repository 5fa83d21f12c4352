//! How the kernel accounts for containers, and huge pages.

use host::Host;

use crate::Severity::Note;
use crate::{Check, Kind, Needs};

const CGROUP: &str = "/sys/fs/cgroup";
const HUGE_PAGES: &str = "/sys/kernel/mm/hugepages";

static CGROUP_V1: Kind = Kind {
    id: "cgroup-v1",
    severity: Note,
    about: "the node uses version 1 of cgroups",
    why: "Kubernetes does not develop its support any further, and kubelets since 1.35 do not start on it unless told to",
};
static NO_HUGE_PAGES: Kind = Kind {
    id: "huge-pages-none",
    severity: Note,
    about: "there are no huge pages, and devices of this node are used by programs that want some",
    why: "programs on DPDK and OPAE ask for `hugepages-2Mi` or `hugepages-1Gi`; such pods stay pending",
};

/// What may be found.
pub const KINDS: &[&Kind] = &[&CGROUP_V1, &NO_HUGE_PAGES];

/// Looks at the version of cgroups.
pub fn cgroups(host: &Host) -> Check {
    let mut check = Check::new("cgroups");
    if host.exists(format!("{CGROUP}/cgroup.controllers")) {
        check.fine("version 2");
    } else if check.see(host.names(CGROUP)).is_some_and(|names| !names.is_empty()) {
        check.found(
            &CGROUP_V1,
            format!("{CGROUP}/cgroup.controllers is not there"),
            "start the kernel with systemd.unified_cgroup_hierarchy=1, reboot",
        );
    } else {
        check.unseen(CGROUP, "it is not mounted");
    }
    check
}

/// Looks whether there are huge pages, which is good to know only where programs want them.
pub fn huge_pages(host: &Host, needs: Needs) -> Check {
    let mut check = Check::new("huge pages");
    if !needs.huge_pages {
        check.fine("not needed");
        return check;
    }
    let Some(sizes) = check.see(host.names(HUGE_PAGES)) else {
        check.unseen(HUGE_PAGES, "it is not there");
        return check;
    };
    let mut all = Vec::new();
    for size in &sizes {
        let pages =
            check.see(host.parse::<u64>(format!("{HUGE_PAGES}/{size}/nr_hugepages"), "a number of pages"));
        if let Some(pages) = pages.filter(|pages| *pages > 0) {
            all.push(format!("{pages} of {}", size.trim_start_matches("hugepages-")));
        }
    }
    if all.is_empty() {
        check.found(
            &NO_HUGE_PAGES,
            format!("{HUGE_PAGES}/*/nr_hugepages are all 0"),
            "nothing, if no such program is wanted; else sysctl -w vm.nr_hugepages=1024 (and in /etc/sysctl.d), then restart \
             the kubelet, which counts them when it starts",
        );
    } else {
        check.fine(all.join(", "));
    }
    check
}
