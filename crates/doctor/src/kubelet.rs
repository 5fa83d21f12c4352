//! The kubelet's folder for device plugins: is the kubelet there, and what was left in its folder.

use host::{Host, Kind as FileKind};

use crate::Severity::{Error, Warning};
use crate::{Check, Kind, count, some_of};

/// The kubelet's, wherever its root is (<https://github.com/kubernetes/website/issues/56152>).
pub const FOLDER: &str = "/var/lib/kubelet/device-plugins";
const SOCKET: &str = "kubelet.sock";

static NO_FOLDER: Kind = Kind {
    id: "kubelet-folder-missing",
    severity: Error,
    about: "the kubelet's folder for device plugins is not there",
    why: "plugins have nowhere to register",
};
static OPEN_FOLDER: Kind = Kind {
    id: "kubelet-folder-open",
    severity: Warning,
    about: "everybody may write to the kubelet's folder",
    why: "any user of the node could register devices with the kubelet, or take a plugin's socket away",
};
static NO_SOCKET: Kind = Kind {
    id: "kubelet-socket-missing",
    severity: Error,
    about: "the kubelet has no socket in its folder",
    why: "plugins wait for it, and nothing is offered until it comes",
};
static DEAD_SOCKET: Kind = Kind {
    id: "kubelet-socket-dead",
    severity: Error,
    about: "nobody listens on the kubelet's socket",
    why: "the kubelet does not run, or runs with another root; plugins cannot register",
};
static LEFT_OVER: Kind = Kind {
    id: "socket-left-over",
    severity: Warning,
    about: "nobody listens on a plugin's socket",
    why: "its plugin was killed or hangs; the kubelet shows its devices as 0 until one registers again",
};
/// What may be found.
pub const KINDS: &[&Kind] = &[&NO_FOLDER, &OPEN_FOLDER, &NO_SOCKET, &DEAD_SOCKET, &LEFT_OVER];

/// Looks at the folder. It takes a node with a kubelet.
pub fn check(host: &Host) -> Check {
    let mut check = Check::new("kubelet");
    let folder = match host.metadata(FOLDER) {
        Err(error) if error.is_not_found() => {
            check.found(
                &NO_FOLDER,
                format!("there is no {FOLDER}"),
                "systemctl status kubelet; in a container, mount the node's folder at that path, or its root folder, and name it with -root",
            );
            return check;
        }
        folder => check.see(folder),
    };
    if let Some(folder) = folder.filter(|folder| folder.mode & 0o002 != 0) {
        check.found(
            &OPEN_FOLDER,
            format!("{FOLDER} has the mode {:04o}", folder.mode),
            format!("chmod 0750 {FOLDER}"),
        );
    }
    let Some(names) = check.see(host.names(FOLDER)) else { return check };
    kubelet_socket(host, &mut check);
    plugin_sockets(host, &mut check, &names);
    check
}

fn kubelet_socket(host: &Host, check: &mut Check) {
    let path = format!("{FOLDER}/{SOCKET}");
    match host.metadata(&path) {
        Err(error) if error.is_not_found() => check.found(
            &NO_SOCKET,
            format!("there is no {path}"),
            "systemctl status kubelet, or journalctl -u kubelet for why it does not start",
        ),
        found => {
            let Some(found) = check.see(found) else { return };
            match host.is_listened_on(&path) {
                Ok(false) => check.found(
                    &DEAD_SOCKET,
                    format!("nobody listens on {path} (owner {}:{})", found.uid, found.gid),
                    "systemctl restart kubelet",
                ),
                answer => {
                    if check.see(answer) == Some(true) {
                        check.fine(format!("{SOCKET} answers"));
                    }
                }
            }
        }
    }
}

fn plugin_sockets(host: &Host, check: &mut Check, names: &[String]) {
    let is_plugin = |name: &&String| {
        name.as_str() != SOCKET
            && host.metadata(format!("{FOLDER}/{name}")).is_ok_and(|found| found.kind == FileKind::Socket)
    };
    let (mut alive, mut dead) = (0, Vec::new());
    for name in names.iter().filter(is_plugin) {
        let path = format!("{FOLDER}/{name}");
        match host.is_listened_on(&path) {
            Ok(false) => dead.push(path),
            answer => alive += usize::from(check.see(answer) == Some(true)),
        }
    }
    if alive > 0 {
        check.fine(format!("{} of plugins", count(alive, "socket")));
    }
    if !dead.is_empty() {
        check.found(
            &LEFT_OVER,
            format!("nobody listens on {}", some_of(&dead)),
            format!("rm {}, if no plugin is about to start", dead.join(" ")),
        );
    }
}
