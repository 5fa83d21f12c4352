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
use std::time::Instant;

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

    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
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

/// Whether the answer may be given. A refusal always may, in a race.
pub(crate) fn judge(part: &Part, asked: &Asked) -> Result<(), String> {
    let Asked { from, to, answer } = asked;
    let Ok(nodes) = answer else { return Ok(()) };
    if !part.was_there(*from, *to) {
        return Err(format!("{} was allocated while it was not there", part.id));
    }
    let mut nodes = nodes.clone();
    nodes.sort();
    if nodes == part.nodes {
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

/// How much more may be used at the end: pages of the binary and of the heap that were not touched before; a connection that is
/// just being closed; the threads on which drivers are asked, which end when they have had nothing to do for 10 s.
pub(crate) const ALLOWED: Usage = Usage { kib: 1024, descriptors: 4, threads: 8 };

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
