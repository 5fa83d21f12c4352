//! SELinux: labels by which plugins may register.

use host::Host;

use crate::Severity::{Error, Warning};
use crate::kubelet::FOLDER;
use crate::limits::processes;
use crate::{Check, Kind};

const ENFORCE: &str = "/sys/fs/selinux/enforce";
/// What the kubelet gives its folder (`KubeletPluginsDirSELinuxLabel`).
const FOLDER_TYPE: &str = "container_file_t";
/// In which policies let containers reach the kubelet's socket.
const KUBELET_TYPE: &str = "kubelet_t";

static LABEL: Kind = Kind {
    id: "selinux-folder-label",
    severity: Error,
    about: "the kubelet's folder has a label by which containers may not use it",
    why: "SELinux keeps plugins from making their sockets there: `Permission denied` in their logs",
};
static DOMAIN: Kind = Kind {
    id: "selinux-kubelet-domain",
    severity: Warning,
    about: "the kubelet does not run in its own SELinux domain",
    why: "the policy lets containers connect to kubelet_t only, so plugins cannot register",
};

/// What may be found.
pub const KINDS: &[&Kind] = &[&LABEL, &DOMAIN];

/// Looks at labels where SELinux is enforced.
pub fn check(host: &Host) -> Check {
    let mut check = Check::new("selinux");
    match check.see(host.read(ENFORCE)).as_deref() {
        Some("1") => {}
        Some(_) => {
            check.fine("permissive");
            return check;
        }
        None => {
            if check.unseen.is_empty() {
                check.fine("off");
            }
            return check;
        }
    }
    if let Some(label) = check.see(host.security_label(FOLDER)) {
        folder_label(&mut check, label.as_deref());
    }
    kubelet_domain(host, &mut check);
    check
}

fn folder_label(check: &mut Check, label: Option<&str>) {
    match label {
        Some(label) if type_of(label) == FOLDER_TYPE => check.fine(format!("{FOLDER} is {FOLDER_TYPE}")),
        label => check.found(
            &LABEL,
            format!("{FOLDER} is labelled {}, not {FOLDER_TYPE}", label.unwrap_or("not at all")),
            format!("chcon -t {FOLDER_TYPE} {FOLDER}, and restart the kubelet, which labels it so"),
        ),
    }
}

fn kubelet_domain(host: &Host, check: &mut Check) {
    let is_kubelet =
        |process: &&String| host.read(format!("{process}/comm")).is_ok_and(|name| name == "kubelet");
    let Some(process) = processes(host).iter().find(is_kubelet).cloned() else {
        return check.unseen("the kubelet's domain", "no process of that name is seen from here");
    };
    let Some(label) = check.see(host.read(format!("{process}/attr/current"))) else { return };
    let label = label.trim_end_matches('\0');
    if type_of(label) == KUBELET_TYPE {
        return check.fine(format!("the kubelet is {KUBELET_TYPE}"));
    }
    check.found(
        &DOMAIN,
        format!("{process}/attr/current is {label}"),
        "restorecon -v \"$(command -v kubelet)\", then systemctl restart kubelet",
    );
}

/// The third part of `user:role:type:level`.
fn type_of(label: &str) -> &str {
    label.split(':').nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Labels of files cannot be made where SELinux is off.
    #[test]
    fn the_kubelets_folder_must_be_for_containers() {
        for (label, is_fine) in [
            (Some("system_u:object_r:container_file_t:s0"), true),
            (Some("system_u:object_r:container_var_lib_t:s0"), false),
            (Some("container_file_t"), false),
            (None, false),
        ] {
            let mut check = Check::new("selinux");
            folder_label(&mut check, label);
            assert_eq!(check.findings.is_empty(), is_fine, "{label:?}");
            assert!(check.findings.iter().all(|finding| finding.kind == &LABEL), "{label:?}");
        }
    }
}
