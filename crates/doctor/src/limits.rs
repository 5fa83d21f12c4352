//! The kernel's limits on inotify, by which plugins see the kubelet's folder and device nodes change.

use std::io::ErrorKind::PermissionDenied;

use host::Host;

use crate::Severity::{Note, Warning};
use crate::{Check, Kind};

const INSTANCES: &str = "/proc/sys/fs/inotify/max_user_instances";
const WATCHES: &str = "/proc/sys/fs/inotify/max_user_watches";
/// The kernel's default, which container runtimes and log collectors use up on a busy node.
const FEW_INSTANCES: u64 = 128;
/// The kernel's default on small machines and before Linux 5.11.
const FEW_WATCHES: u64 = 8192;
/// What is looked at, at most: a node has thousands of processes, not millions.
const MOST_PROCESSES: usize = 50_000;
const MOST_DESCRIPTORS: usize = 500_000;

static INSTANCES_USED: Kind = Kind {
    id: "inotify-instances-used-up",
    severity: Warning,
    about: "root has nearly no inotify instances left",
    why: "a plugin that starts now looks at the kubelet's folder each second instead of being told; other programs stop with \
          `too many open files`",
};
static INSTANCES_FEW: Kind = Kind {
    id: "inotify-instances-few",
    severity: Note,
    about: "inotify instances are limited to the kernel's default",
    why: "runtimes and log collectors share it with plugins, and use it up on busy nodes",
};
static WATCHES_USED: Kind = Kind {
    id: "inotify-watches-used-up",
    severity: Warning,
    about: "root has nearly no inotify watches left",
    why: "programs that watch folders stop with `no space left on device`, or miss changes",
};
static WATCHES_FEW: Kind = Kind {
    id: "inotify-watches-few",
    severity: Note,
    about: "inotify watches are limited to the kernel's smallest default",
    why: "runtimes and log collectors share it with plugins, and use it up on busy nodes",
};

/// What may be found.
pub const KINDS: &[&Kind] = &[&INSTANCES_USED, &INSTANCES_FEW, &WATCHES_USED, &WATCHES_FEW];

/// Looks at the limits, and at what root uses of them.
pub fn check(host: &Host) -> Check {
    let mut check = Check::new("inotify");
    let mut limit = |path: &str| {
        let found = host.parse::<u64>(path, "a limit");
        if found.as_ref().is_err_and(host::HostError::is_not_found) {
            check.unseen(path, "it is not there");
        }
        check.see(found)
    };
    let (Some(instances), Some(watches)) = (limit(INSTANCES), limit(WATCHES)) else { return check };
    let used = used_by_root(host, &mut check);
    let is_short = |used: u64, limit: u64| used.saturating_mul(10) >= limit.saturating_mul(9);
    let fix = |name: &str, value: u64| {
        format!("sysctl -w fs.inotify.{name}={value}, and the same in a file of /etc/sysctl.d")
    };
    let mut judge =
        |limit: u64, used: Option<u64>, few: u64, kinds: [&'static Kind; 2], name: &str, more: u64| {
            let [short, low] = kinds;
            let path = format!("/proc/sys/fs/inotify/{name}");
            match used {
                Some(used) if is_short(used, limit) => {
                    let more = more.max(limit.saturating_mul(4));
                    check.found(short, format!("root uses {used} of {limit} ({path})"), fix(name, more));
                }
                _ if limit <= few => check.found(low, format!("{path} is {limit}"), fix(name, more)),
                Some(used) => {
                    check.fine(format!("{used} of {limit} {}", name.trim_start_matches("max_user_")));
                }
                None => check.fine(format!("{limit} {}", name.trim_start_matches("max_user_"))),
            }
        };
    let (used_instances, used_watches) = used.unzip();
    judge(
        instances,
        used_instances,
        FEW_INSTANCES,
        [&INSTANCES_USED, &INSTANCES_FEW],
        "max_user_instances",
        8192,
    );
    judge(watches, used_watches, FEW_WATCHES, [&WATCHES_USED, &WATCHES_FEW], "max_user_watches", 524_288);
    check
}

/// The inotify instances of root's processes, and the watches of these; `None` if they cannot be seen.
fn used_by_root(host: &Host, check: &mut Check) -> Option<(u64, u64)> {
    let (mut instances, mut watches, mut looked_at, mut seen, mut hidden) = (0, 0, 0, false, 0);
    'processes: for process in processes(host) {
        if !host.read(format!("{process}/status")).is_ok_and(|status| is_roots(&status)) {
            continue;
        }
        let names = match host.names(format!("{process}/fd")) {
            Ok(names) => names,
            Err(error) => {
                // Processes come and go.
                hidden += usize::from(!error.is_not_found());
                continue;
            }
        };
        seen = true;
        for name in names {
            looked_at += 1;
            if looked_at > MOST_DESCRIPTORS {
                check.unseen("/proc", format!("more than {MOST_DESCRIPTORS} open files were not counted"));
                return Some((instances, watches));
            }
            match host.link_target(format!("{process}/fd/{name}")) {
                Ok(target) if target.ends_with("anon_inode:inotify") => {}
                // Root lists the folder, but only who may trace the process (`ptrace(2)`) follows its links.
                Err(error) if error.source.kind() == PermissionDenied => {
                    hidden += 1;
                    continue 'processes;
                }
                _ => continue,
            }
            instances += 1;
            let info = host.read_bytes(format!("{process}/fdinfo/{name}"), 1 << 20).unwrap_or_default().0;
            let lines =
                String::from_utf8_lossy(&info).lines().filter(|line| line.starts_with("inotify wd:")).count();
            watches += lines as u64;
        }
    }
    if hidden > 0 {
        check.unseen(
            "what root uses of inotify",
            format!("{hidden} of its processes do not show their files; root may look, in a pod with SYS_PTRACE or privileged"),
        );
        return None;
    }
    seen.then_some((instances, watches))
}

/// Whether inotify counts the process with this `status` as root's: by its effective user, the second of four
/// (`proc_pid_status(5)`).
fn is_roots(status: &str) -> bool {
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    users.and_then(|users| users.split_whitespace().nth(1)) == Some("0")
}

/// The folders of the processes that there are, sorted.
pub(crate) fn processes(host: &Host) -> Vec<String> {
    let names = host.names("/proc").unwrap_or_default();
    let numbers = names.into_iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.take(MOST_PROCESSES).map(|name| format!("/proc/{name}")).collect()
}
