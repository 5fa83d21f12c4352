//! What must hold, whatever happens:
//!
//! - At every quiet moment the kubelet's lists equal what the hardware says: each device that is there, healthy, with its NUMA
//!   nodes, and no other ([`Lists`]). Devices that went are therefore seen to have gone.
//! - No allocation is answered for a device that was not there at any moment between question and answer, and an answer names the
//!   device nodes of what was asked for and no others ([`judge`]).
//! - Nobody ever reads half a CDI file ([`crate::cdi`]).
//! - Memory, file descriptors and threads at the end are no more than after the first tenth of the rounds, but for the
//!   [`Usage`] that is allowed.
//! - The process never ends by itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use simulator::kubelet::State;

use crate::hardware::Part;

/// The devices of each resource that has any, by id.
pub(crate) type Lists = BTreeMap<String, BTreeMap<String, Seen>>;

/// What the kubelet knows of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) healthy: bool,
    pub(crate) numa: Vec<i64>,
}

/// What the kubelet knows.
pub(crate) fn lists(state: &State) -> Lists {
    let known = state.resources.iter().filter(|(_, resource)| !resource.devices.is_empty());
    let lists = known.map(|(name, resource)| {
        let devices = resource
            .devices
            .iter()
            .map(|(id, device)| (id.clone(), Seen { healthy: device.healthy, numa: device.numa.clone() }));
        (name.clone(), devices.collect())
    });
    lists.collect()
}

/// How the lists differ from what they should be, a line for each device.
pub(crate) fn differences(found: &Lists, expected: &Lists) -> String {
    let mut text = String::new();
    let resources = found.keys().chain(expected.keys()).collect::<std::collections::BTreeSet<_>>();
    for name in resources {
        let of = |lists: &Lists| lists.get(name).cloned().unwrap_or_default();
        let (found, expected) = (of(found), of(expected));
        for id in found.keys().chain(expected.keys()).collect::<std::collections::BTreeSet<_>>() {
            let (found, expected) = (found.get(id), expected.get(id));
            if found != expected {
                text += &format!("{name} {id}: the kubelet has {found:?}, the hardware {expected:?}\n");
            }
        }
    }
    text
}

/// Counts what was checked, and keeps what was wrong.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    made: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    offences: Mutex<Vec<String>>,
}

impl Checks {
    /// One more; with an offence if it did not hold.
    pub(crate) fn check(&self, outcome: Result<(), String>) {
        self.made.fetch_add(1, Ordering::Relaxed);
        if let Err(offence) = outcome {
            self.offences().push(offence);
        }
    }

    /// One more question for a device: judges the answer.
    pub(crate) fn judge(&self, part: &Part, asked: &Asked) {
        let count = if asked.answer.is_ok() { &self.answered } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
        self.check(judge(part, asked));
    }

    /// How many checks there were.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// How many questions for a device were answered, and how many refused.
    pub(crate) fn asked(&self) -> [u64; 2] {
        [&self.answered, &self.refused].map(|count| count.load(Ordering::Relaxed))
    }

    /// Fails if anything was wrong so far.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let offences = self.offences();
        match offences.first() {
            None => Ok(()),
            Some(first) => Err(format!("{first} ({} such offences)", offences.len())),
        }
    }

    fn offences(&self) -> MutexGuard<'_, Vec<String>> {
        self.offences.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a question for one device: the device nodes that the answer names, or why there was none.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
    pub(crate) answer: Result<Vec<String>, String>,
}

/// The kernel makes the nodes of a device one after the other, and a plugin that looks meanwhile finds some of them. It hears of the
/// others within milliseconds; on a busy machine that may be later.
const SETTLES: Duration = Duration::from_secs(1);

/// Whether the answer may be given. A refusal always may, in a race.
fn judge(part: &Part, asked: &Asked) -> Result<(), String> {
    let Asked { from, to, answer } = asked;
    let Ok(nodes) = answer else { return Ok(()) };
    if !part.was_there(*from, *to) {
        return Err(format!("{} was allocated while it was not there", part.id));
    }
    let mut nodes = nodes.clone();
    nodes.sort();
    let is_new = *from < part.made + SETTLES;
    if nodes == part.nodes
        || is_new && !nodes.is_empty() && nodes.iter().all(|node| part.nodes.contains(node))
    {
        Ok(())
    } else {
        Err(format!(
            "{} was asked for, and the answer names {nodes:?} where {:?} is right",
            part.id, part.nodes
        ))
    }
}

/// What a process uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory (`VmRSS`).
    pub(crate) kib: u64,
    /// Open file descriptors.
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
}

/// How much more may be used at the end. Memory: what the allocator keeps in pieces between what is in use, which grows ever more
/// slowly, and pages of the binary that were not touched before. Descriptors: connections that are just being closed. Threads: those
/// on which drivers are asked, which end when they have had nothing to do for 10 s.
pub(crate) const ALLOWED: Usage = Usage { kib: 2048, descriptors: 4, threads: 8 };

impl Usage {
    /// Whether no more is used than before.
    pub(crate) fn is_no_more_than(self, before: Self) -> Result<(), String> {
        let grown = [
            ("KiB of memory", self.kib, before.kib + ALLOWED.kib),
            ("file descriptors", self.descriptors, before.descriptors + ALLOWED.descriptors),
            ("threads", self.threads, before.threads + ALLOWED.threads),
        ];
        match grown.iter().find(|(_, now, most)| now > most) {
            None => Ok(()),
            Some((what, now, most)) => Err(format!("the plugin has {now} {what} where {most} are allowed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::{Families, Hardware};

    /// A node whose first GPU has gone, and when: before it came, while it was there, and when it was gone.
    fn gone() -> (tempfile::TempDir, Hardware, [Instant; 3]) {
        let folder = tempfile::tempdir().unwrap();
        let before = Instant::now();
        let mut hardware = Hardware::new(folder.path(), Families::Gpu).unwrap();
        let there = Instant::now();
        hardware.toggle(0).unwrap();
        (folder, hardware, [before, there, Instant::now()])
    }

    fn asked(from: Instant, to: Instant, nodes: &[&str]) -> Asked {
        Asked { from, to, answer: Ok(nodes.iter().map(|&node| node.to_owned()).collect()) }
    }

    #[test]
    fn an_answer_for_a_device_that_was_gone_all_the_time_is_an_offence() {
        let (_folder, hardware, [before, there, after]) = gone();
        let part = &hardware.parts[0];
        let nodes = ["/dev/dri/renderD128", "/dev/dri/card0"];
        let late = after + Duration::from_secs(1);
        assert!(judge(part, &asked(after, late, &nodes)).unwrap_err().contains("while it was not there"));
        assert_eq!(judge(part, &asked(there, late, &nodes)), Ok(()), "it was there when the question came");
        assert_eq!(judge(part, &asked(before, there, &nodes)), Ok(()), "it was there when the answer came");
        let refusal = Asked { from: after, to: late, answer: Err("gone".to_owned()) };
        assert_eq!(judge(part, &refusal), Ok(()));
    }

    #[test]
    fn an_answer_that_names_another_device_is_an_offence() {
        let (_folder, hardware, [_, there, after]) = gone();
        for nodes in
            [&["/dev/dri/card1", "/dev/dri/renderD129"][..], &["/dev/dri/card0", "/dev/dri/card1"], &[]]
        {
            assert!(judge(&hardware.parts[0], &asked(there, after, nodes)).is_err(), "{nodes:?}");
        }
    }

    #[test]
    fn an_answer_without_all_nodes_is_an_offence_but_for_a_device_that_has_just_come() {
        let (_folder, hardware, [_, there, _]) = gone();
        let part = &hardware.parts[1];
        let late = there + SETTLES;
        assert_eq!(judge(part, &asked(there, there, &["/dev/dri/card1"])), Ok(()));
        assert!(judge(part, &asked(late, late, &["/dev/dri/card1"])).is_err());
        assert_eq!(judge(part, &asked(late, late, &["/dev/dri/card1", "/dev/dri/renderD129"])), Ok(()));
    }

    #[test]
    fn an_offence_is_kept_whatever_comes_after_it() {
        let checks = Checks::default();
        checks.check(Ok(()));
        assert_eq!(checks.verdict(), Ok(()));
        checks.check(Err("bad".to_owned()));
        checks.check(Ok(()));
        assert_eq!((checks.made(), checks.verdict()), (3, Err("bad (1 such offences)".to_owned())));
    }

    #[test]
    fn a_device_too_many_or_too_few_or_of_another_node_is_a_difference() {
        let (_folder, hardware, _) = gone();
        let right = hardware.lists();
        assert_eq!(right["gpu.intel.com/i915"].len(), 7);
        assert_eq!(differences(&right, &right), "");
        let changed = |change: fn(&mut BTreeMap<String, Seen>)| {
            let mut lists = right.clone();
            change(lists.get_mut("gpu.intel.com/i915").unwrap());
            differences(&lists, &right)
        };
        let seen = |healthy, numa| Seen { healthy, numa: vec![numa] };
        assert!(changed(|devices| drop(devices.remove("card1-0"))).contains("card1-0"));
        assert!(!changed(|_| ()).contains("card1-0"));
        let extra = differences(
            &[("gpu.intel.com/i915".to_owned(), [("card0-0".to_owned(), seen(true, 0))].into())].into(),
            &Lists::new(),
        );
        assert!(extra.contains("card0-0"), "{extra}");
        assert!(changed(|devices| devices.get_mut("card1-0").unwrap().healthy = false).contains("card1-0"));
        assert!(changed(|devices| devices.get_mut("card1-0").unwrap().numa.push(1)).contains("card1-0"));
    }

    #[test]
    fn using_more_than_is_allowed_is_an_offence() {
        let before = Usage { kib: 4000, descriptors: 20, threads: 5 };
        let most = Usage {
            kib: before.kib + ALLOWED.kib,
            descriptors: before.descriptors + ALLOWED.descriptors,
            threads: before.threads + ALLOWED.threads,
        };
        assert_eq!(most.is_no_more_than(before), Ok(()));
        for more in [
            Usage { kib: most.kib + 1, ..most },
            Usage { descriptors: most.descriptors + 1, ..most },
            Usage { threads: most.threads + 1, ..most },
        ] {
            assert!(more.is_no_more_than(before).is_err(), "{more:?}");
        }
    }
}
