//! Which devices a container gets of one resource: the order in which the kubelet decides.

use std::collections::BTreeSet;

use super::state::State;
use super::topology;

/// What a container asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) pod: &'a str,
    pub(super) container: &'a str,
    pub(super) resource: &'a str,
    pub(super) count: usize,
    /// Devices of finished init containers.
    pub(super) reusable: &'a BTreeSet<String>,
    /// NUMA nodes to be near to.
    pub(super) affinity: Option<u64>,
}

/// A decision, but for the devices that the plugin may have a preference about.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) chosen: BTreeSet<String>,
    /// How many are still to be chosen.
    pub(super) missing: usize,
    /// What the plugin can choose from; may hold some that are chosen.
    pub(super) pool: BTreeSet<String>,
    /// Where the rest comes from if the plugin does not care.
    fallback: Vec<BTreeSet<String>>,
}

impl Plan {
    /// The errors are the kubelet's: they end up in the pod's status.
    pub(super) fn new(state: &State, wanted: &Wanted<'_>) -> Result<Self, String> {
        let Wanted { pod, container, resource, count, .. } = *wanted;
        let recorded = state.allocation(pod, container, resource).map(|allocation| &allocation.devices);
        if let Some(devices) = recorded
            && devices.len() != count
        {
            let had = devices.len();
            return Err(format!(
                "pod {pod:?} container {container:?} changed request for resource {resource:?} from {had} to {count}"
            ));
        }
        if state.is_running(pod, container) {
            // The kubelet was restarted and the container was not.
            return Ok(Self::default());
        }
        let Some(known) = state.resources.get(resource).filter(|known| !known.forgotten) else {
            return Err(format!("cannot allocate unregistered device {resource}"));
        };
        let healthy: BTreeSet<&String> =
            known.devices.iter().filter(|(_, d)| d.healthy).map(|(id, _)| id).collect();
        if healthy.is_empty() {
            return Err(format!("no healthy devices present; cannot allocate unhealthy devices {resource}"));
        }
        if recorded.is_some_and(|devices| devices.iter().any(|id| !healthy.contains(id))) {
            return Err(format!(
                "previously allocated devices are no longer healthy; cannot allocate unhealthy devices {resource}"
            ));
        }
        let mut plan = Self { missing: if recorded.is_some() { 0 } else { count }, ..Self::default() };
        plan.take(wanted.reusable);
        if plan.missing == 0 {
            return Ok(plan);
        }
        let in_use = state.in_use(resource);
        let available: BTreeSet<String> =
            healthy.into_iter().filter(|id| !in_use.contains(*id)).cloned().collect();
        let (missing, free) = (plan.missing, available.len());
        if free < missing {
            return Err(format!(
                "requested number of devices unavailable for {resource}. Requested: {missing}, Available: {free}"
            ));
        }
        let nodes_of = |id: &String| known.devices.get(id).map_or(0, topology::nodes_of);
        let (mut aligned, mut elsewhere, mut nowhere) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for id in &available {
            let nodes = nodes_of(id);
            let list = match wanted.affinity {
                Some(affinity) if nodes & affinity != 0 => &mut aligned,
                Some(_) if nodes != 0 => &mut elsewhere,
                _ => &mut nowhere,
            };
            list.insert(id.clone());
        }
        if missing < aligned.len() {
            plan.pool.clone_from(&aligned);
            plan.fallback = vec![aligned];
        } else {
            // First those that are near, so that the plugin has no say in whether the devices are aligned.
            plan.take(&aligned);
            plan.pool = available;
            plan.fallback = vec![elsewhere, nowhere];
        }
        Ok(plan)
    }

    /// The devices to ask the plugin about: those that are chosen are among them.
    pub(super) fn question(&self) -> BTreeSet<String> {
        self.pool.union(&self.chosen).cloned().collect()
    }

    /// The decision. Preferences for devices that are not free do not count, and too few are made up for.
    pub(super) fn finish(mut self, preferred: &[String]) -> BTreeSet<String> {
        let preferred = preferred.iter().filter(|id| self.pool.contains(*id)).cloned().collect();
        self.take(&preferred);
        for rest in std::mem::take(&mut self.fallback) {
            self.take(&rest);
        }
        self.chosen
    }

    fn take(&mut self, from: &BTreeSet<String>) {
        for id in from {
            if self.missing > 0 && self.chosen.insert(id.clone()) {
                self.missing -= 1;
            }
        }
    }
}
