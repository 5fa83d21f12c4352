//! Programs on the node that hand out the same devices.

use std::collections::BTreeMap;

use host::Host;

use crate::Severity::{Error, Warning};
use crate::limits::processes;
use crate::{Check, Kind, some_of};

const DRIVERS: &str = "/var/lib/kubelet/plugins_registry";

static TWICE: Kind = Kind {
    id: "plugin-twice",
    severity: Error,
    about: "two plugins of one family run on the node",
    why: "the kubelet asks the one that registered last; one device can go to two containers, and each restart changes who \
          answers",
};
static DRIVER: Kind = Kind {
    id: "plugin-beside-dra",
    severity: Warning,
    about: "a driver for dynamic resource allocation hands out the same devices",
    why: "neither knows what the other has given away: one device can go to two containers",
};

/// What may be found.
pub const KINDS: &[&Kind] = &[&TWICE, &DRIVER];

/// A plugin, and how its processes are known.
#[derive(Debug, Clone, Copy)]
pub struct Plugin {
    /// The family's name, which is a command of the common program too.
    pub family: &'static str,
    /// The program's name.
    pub entry_point: &'static str,
    /// Of its resources.
    pub namespace: &'static str,
}

/// A process of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The family's name.
    pub family: &'static str,
    /// Its flags; `None` where they are not on its command line, but in a file.
    pub flags: Option<Vec<String>>,
}

/// Looks for processes of `plugins`, also inside `program`, which runs one of them by its name or all by `all`.
pub fn check(host: &Host, plugins: &[Plugin], program: &str, all: &str) -> (Check, Vec<Running>) {
    let mut check = Check::new("plugins");
    let mut all_running = Vec::new();
    let processes = processes(host);
    if processes.is_empty() {
        check.unseen("processes", "/proc shows none");
    }
    let mut running: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for process in &processes {
        // Of very long ones the beginning is enough.
        let Ok((words, _)) = host.read_bytes(format!("{process}/cmdline"), 4096) else { continue };
        let words = String::from_utf8_lossy(&words);
        let mut words = words.split('\0');
        let name = words.next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let command = words.first().copied().unwrap_or_default();
        for plugin in plugins {
            let is_it = name == plugin.entry_point
                || (name == program && (command == plugin.family || command == all));
            if is_it {
                let shown = if name == program { format!("{name} {command}") } else { name.to_owned() };
                let process = process.trim_start_matches("/proc/");
                let is_command = name == program;
                let flags = words.iter().skip(usize::from(is_command)).map(|word| (*word).to_owned());
                let flags = (!is_command || command != all).then(|| flags.collect());
                all_running.push(Running { family: plugin.family, flags });
                running.entry(plugin.family).or_default().push(format!("{shown} ({process})"));
            }
        }
    }
    for (family, found) in running.iter().filter(|(_, found)| found.len() > 1) {
        check.found(
            &TWICE,
            format!("of {family} there are {}", some_of(found)),
            "kubectl get daemonsets -A, and remove all but one of them for this node",
        );
    }
    let registered = check.see(host.names(DRIVERS)).unwrap_or_default();
    for plugin in plugins {
        let is_driver = |name: &&String| {
            name.strip_prefix(plugin.namespace).is_some_and(|rest| rest.starts_with(['-', '.']))
        };
        if let (Some(socket), true) = (registered.iter().find(is_driver), running.contains_key(plugin.family))
        {
            check.found(
                &DRIVER,
                format!("{DRIVERS}/{socket} is there, and the plugin of {} runs", plugin.family),
                "keep one of the two off this node, by node selectors",
            );
        }
    }
    if check.findings.is_empty() && !processes.is_empty() {
        let families: Vec<&str> = running.keys().copied().collect();
        check.fine(if families.is_empty() {
            "none run".to_owned()
        } else {
            format!("one each of {}", families.join(", "))
        });
    }
    (check, all_running)
}
