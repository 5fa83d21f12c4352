//! Programs on the node that hand out the same devices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use host::Host;

use crate::Severity::{Error, Warning};
use crate::kubelet::FOLDER;
use crate::limits::processes;
use crate::mounts::{Mounts, Spot};
use crate::{Check, Kind, some_of};

const DRIVERS: &str = "/var/lib/kubelet/plugins_registry";
/// The node's own first process has the node's own files.
const NODE: &str = "/proc/1";
/// The flag of plugins that names the kubelet's folder.
const KUBELET_DIR: &str = "kubelet-dir";

static TWICE: Kind = Kind {
    id: "plugin-twice",
    severity: Error,
    about: "two plugins of one family run on the node",
    why: "the kubelet asks the one that registered last; one device can go to two containers, and each restart changes who \
          answers",
};
static IGNORED: Kind = Kind {
    id: "flags-ignored",
    severity: Warning,
    about: "a plugin ignores words of its command line",
    why: "flags end at the first word that is none, as of Go's programs: those after it do not count, and defaults hold instead",
};
static DRIVER: Kind = Kind {
    id: "plugin-beside-dra",
    severity: Warning,
    about: "a driver for dynamic resource allocation hands out the same devices",
    why: "neither knows what the other has given away: one device can go to two containers",
};

/// What may be found.
pub const KINDS: &[&Kind] = &[&TWICE, &IGNORED, &DRIVER];

/// A process, by its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its folder in `/proc`.
    pub folder: String,
    /// The program's name.
    pub name: String,
    /// The words after it.
    pub words: Vec<String>,
    /// The folder in `/proc` of the process that began it.
    parent: Option<String>,
    mounts: Mounts,
}

/// A plugin that a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The family's name.
    pub family: &'static str,
    /// What its resources' names begin with.
    pub namespace: &'static str,
    /// Its flags; `None` where they are not known.
    pub flags: Option<Vec<String>>,
}

/// What a process is to those who know the plugins.
#[derive(Debug, Default)]
pub struct Told {
    /// The plugins that it runs; none: it is another program.
    pub running: Vec<Running>,
    /// Words of its command line that it ignores.
    pub ignored: Vec<String>,
    /// Why flags are not known.
    pub unseen: Option<String>,
}

impl Process {
    /// Where on the node the file is that the process has at `path`; `None` if that is not known.
    pub fn file(&self, host: &Host, path: &str) -> Option<PathBuf> {
        Mounts::of(host, NODE).path(&self.mounts.spot(path)?)
    }

    /// `None`: it is none of these programs.
    fn read(host: &Host, folder: &str, programs: &[&str]) -> Option<Self> {
        // Of very long ones the beginning is enough.
        let (words, _) = host.read_bytes(format!("{folder}/cmdline"), 4096).ok()?;
        let words = String::from_utf8_lossy(&words);
        let mut words = words.split('\0').filter(|word| !word.is_empty()).map(str::to_owned);
        let name = words.next()?.rsplit('/').next()?.to_owned();
        programs.contains(&name.as_str()).then(|| {
            let status = host.read(format!("{folder}/status")).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            Self {
                folder: folder.to_owned(),
                name,
                words: words.collect(),
                parent: parent.map(|number| format!("/proc/{}", number.trim())),
                mounts: Mounts::of(host, folder),
            }
        })
    }

    /// The kubelet's folder that it uses.
    fn kubelet(&self) -> Option<Spot> {
        let mut folder = FOLDER;
        for (number, word) in self.words.iter().enumerate() {
            let (flag, value) = word.split_once('=').unzip();
            if flag.unwrap_or(word).trim_start_matches('-') == KUBELET_DIR {
                folder = value.or_else(|| self.words.get(number + 1).map(String::as_str))?;
            }
        }
        self.mounts.spot(folder)
    }

    /// For people.
    fn shown(&self) -> String {
        let command = self.words.first().filter(|word| !word.starts_with('-'));
        let command = command.map(|word| format!(" {word}")).unwrap_or_default();
        format!("{}{command} ({})", self.name, self.folder.trim_start_matches("/proc/"))
    }

    /// Whether it was begun by that one, and is still the same program: it has not become another yet.
    fn is_fork_of(&self, other: &Self) -> bool {
        self.parent.as_ref() == Some(&other.folder) && self.words == other.words
    }
}

/// Looks for processes of these programs that run plugins, which `of` tells. Of those that use another kubelet's folder, as
/// of a node in a container on the same machine, is only said that they are there.
pub fn check(host: &Host, programs: &[&str], of: impl Fn(&Process) -> Told) -> (Check, Vec<Running>) {
    let mut check = Check::new("plugins");
    let processes = processes(host);
    if processes.is_empty() {
        check.unseen("processes", "/proc shows none");
    }
    let here = host.resolve(FOLDER).ok().and_then(|folder| Mounts::of(host, NODE).spot(folder));
    let (mut all, mut elsewhere): (Vec<(Process, Running)>, Vec<String>) = (Vec::new(), Vec::new());
    for process in processes.iter().filter_map(|folder| Process::read(host, folder, programs)) {
        let Told { running, ignored, unseen } = of(&process);
        if running.is_empty() {
            continue;
        }
        if here.is_some() && process.kubelet().is_some_and(|folder| Some(folder) != here) {
            elsewhere.push(process.shown());
            continue;
        }
        if let Some(why) = unseen {
            check.unseen(format!("the flags of {}", process.shown()), why);
        }
        if !ignored.is_empty() {
            check.found(
                &IGNORED,
                format!("{} ignores {}", process.shown(), ignored.join(" ")),
                "take the first of these words away; the value of a switch is written with `=`, as -switch=true",
            );
        }
        all.extend(running.into_iter().map(|one| (process.clone(), one)));
    }
    let mut families: BTreeMap<&str, Vec<&Process>> = BTreeMap::new();
    for (process, one) in &all {
        let is_fork = |(other, _): &(Process, Running)| process.is_fork_of(other);
        if !all.iter().any(is_fork) {
            families.entry(one.family).or_default().push(process);
        }
    }
    for (family, found) in &families {
        let found = of_one_kubelet(found);
        if found.len() > 1 {
            check.found(
                &TWICE,
                format!("of {family} there are {}", some_of(&found)),
                "kubectl get daemonsets -A, and remove all but one of them for this node",
            );
        }
    }
    drivers(host, &mut check, all.iter().map(|(_, one)| one));
    if !elsewhere.is_empty() {
        check.fine(format!("with another kubelet's folder, so not of this node: {}", some_of(&elsewhere)));
    }
    if check.findings.is_empty() && !processes.is_empty() {
        let families: Vec<&str> = families.keys().copied().collect();
        check.fine(if families.is_empty() {
            "none run".to_owned()
        } else {
            format!("one each of {}", families.join(", "))
        });
    }
    (check, all.into_iter().map(|(_, one)| one).collect())
}

/// The most of them that have one folder of a kubelet, for people. Where a process has it may not be known.
fn of_one_kubelet(processes: &[&Process]) -> Vec<String> {
    let folders: Vec<Option<Spot>> = processes.iter().map(|process| process.kubelet()).collect();
    let same = |one: &Option<Spot>| {
        let has_it = |other: &Option<Spot>| one.is_none() || other.is_none() || one == other;
        let pairs = processes.iter().zip(&folders).filter(|(_, other)| has_it(other));
        pairs.map(|(process, _)| process.shown()).collect::<Vec<_>>()
    };
    // One that is not known may be any of the others, which makes no two of them the same.
    let known = folders.iter().filter(|folder| folder.is_some());
    known.map(same).max_by_key(Vec::len).unwrap_or_else(|| same(&None))
}

fn drivers<'a>(host: &Host, check: &mut Check, running: impl Iterator<Item = &'a Running>) {
    let registered = check.see(host.names(Path::new(DRIVERS))).unwrap_or_default();
    let families: BTreeMap<&str, &str> = running.map(|one| (one.family, one.namespace)).collect();
    for (family, namespace) in families {
        let is_driver =
            |name: &&String| name.strip_prefix(namespace).is_some_and(|rest| rest.starts_with(['-', '.']));
        if let Some(socket) = registered.iter().find(is_driver) {
            check.found(
                &DRIVER,
                format!("{DRIVERS}/{socket} is there, and the plugin of {family} runs"),
                "keep one of the two off this node, by node selectors",
            );
        }
    }
}
