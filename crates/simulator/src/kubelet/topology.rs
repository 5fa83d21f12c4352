//! Near which NUMA nodes a container's devices should be, as the kubelet's topology manager decides it for one container.
//!
//! For each resource, hints say which sets of NUMA nodes could hold the request, and which of them are as small as can
//! be. Hints of several resources are merged, and the policy says what is good enough. Only devices give hints: CPU and
//! memory managers have none in their default policies. Sets of nodes are bit masks.

use super::options::TopologyPolicy;
use super::state::DeviceState;

/// The topology manager works with no more than this many nodes.
const MAX_NODES: u32 = 8;

/// What a container asks of one resource. Devices are given as the nodes near them.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// All there are.
    pub(super) all: Vec<u64>,
    /// Healthy and free, or what the container has already.
    pub(super) available: Vec<u64>,
    /// Those of finished init containers.
    pub(super) reusable: Vec<u64>,
    pub(super) count: usize,
}

/// The devices are too far from one another for the policy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAligned;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hint {
    /// `None` where nodes do not matter, or where nothing can be said.
    nodes: Option<u64>,
    preferred: bool,
}

/// The nodes near which the container's devices should be; `None` if that is the same to the policy, and all of them if no
/// hint is of use.
pub(super) fn affinity(policy: TopologyPolicy, wishes: &[Wish]) -> Result<Option<u64>, NotAligned> {
    if policy == TopologyPolicy::None {
        return Ok(None);
    }
    let mut hints: Vec<Vec<Hint>> = wishes.iter().map(hints).collect();
    if policy == TopologyPolicy::SingleNumaNode {
        for hints in &mut hints {
            hints.retain(|hint| hint.preferred && hint.nodes.is_none_or(u64::is_power_of_two));
        }
    }
    let best = best(&hints);
    if policy != TopologyPolicy::BestEffort && best.is_none_or(|(_, preferred)| !preferred) {
        return Err(NotAligned);
    }
    Ok(Some(best.map_or(u64::MAX, |(nodes, _)| nodes)))
}

/// The nodes near a device.
pub(super) fn nodes_of(device: &DeviceState) -> u64 {
    let bits = device
        .numa
        .iter()
        .filter_map(|node| u32::try_from(*node).ok())
        .filter_map(|node| 1u64.checked_shl(node));
    bits.fold(0, |nodes, bit| nodes | bit)
}

fn hints(wish: &Wish) -> Vec<Hint> {
    let mut nodes = wish.all.iter().fold(0, |nodes, device| nodes | device);
    if nodes == 0 {
        return vec![Hint { nodes: None, preferred: true }];
    }
    while nodes.count_ones() > MAX_NODES {
        nodes ^= 1 << nodes.ilog2();
    }
    let near = |devices: &[u64], nodes| devices.iter().filter(|device| *device & nodes != 0).count();
    // As few nodes as would do if nothing were in use.
    let mut fewest = nodes.count_ones();
    let mut possible = Vec::new();
    for nodes in subsets(nodes) {
        if near(&wish.all, nodes) >= wish.count {
            fewest = fewest.min(nodes.count_ones());
        }
        let placed = || wish.reusable.iter().filter(|device| **device != 0);
        if placed().all(|device| device & nodes != 0)
            && placed().count() + near(&wish.available, nodes) >= wish.count
        {
            possible.push(nodes);
        }
    }
    if possible.is_empty() {
        return vec![Hint { nodes: None, preferred: false }];
    }
    let hint = |nodes: u64| Hint { nodes: Some(nodes), preferred: nodes.count_ones() == fewest };
    possible.into_iter().map(hint).collect()
}

/// All sets of some of these nodes, without the empty one.
fn subsets(nodes: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(nodes), move |subset| Some(subset.checked_sub(1)? & nodes))
        .take_while(|subset| *subset != 0)
}

/// The best that one hint of each resource gives together, and whether it is as good as can be.
fn best(hints: &[Vec<Hint>]) -> Option<(u64, bool)> {
    // Where not all is well, as many nodes are right as the most demanding resource needs.
    let narrowest = hints
        .iter()
        .filter_map(|hints| hints.iter().filter_map(|hint| hint.nodes).map(u64::count_ones).min());
    let enough = narrowest.max().unwrap_or_default();
    let mut best = None;
    each_choice(hints, &mut Vec::new(), &mut |choice| {
        let sets = || choice.iter().filter_map(|hint| hint.nodes);
        let nodes = sets().fold(u64::MAX, |merged, nodes| merged & nodes);
        let preferred =
            choice.iter().all(|hint| hint.preferred) && sets().all(|nodes| Some(nodes) == sets().next());
        if nodes != 0 && best.is_none_or(|best| is_better((nodes, preferred), best, enough)) {
            best = Some((nodes, preferred));
        }
    });
    best
}

fn each_choice(hints: &[Vec<Hint>], chosen: &mut Vec<Hint>, visit: &mut impl FnMut(&[Hint])) {
    let Some((first, rest)) = hints.split_first() else { return visit(chosen) };
    for hint in first {
        chosen.push(*hint);
        each_choice(rest, chosen, visit);
        chosen.pop();
    }
}

fn is_better((nodes, preferred): (u64, bool), (best, best_preferred): (u64, bool), enough: u32) -> bool {
    let narrower = (nodes.count_ones(), nodes) < (best.count_ones(), best);
    match (preferred, best_preferred) {
        (true, true) => narrower,
        (true, false) => true,
        (false, true) => false,
        (false, false) => {
            // More than enough nodes are worse than enough, and fewer are worse, too.
            let (count, best_count) = (nodes.count_ones(), best.count_ones());
            if best_count >= enough {
                narrower && (best_count > enough || count == enough)
            } else {
                count <= enough && (count > best_count || count == best_count && narrower)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(available: &[u64], count: usize) -> Wish {
        Wish { all: vec![0b01, 0b01, 0b10, 0b10], available: available.to_vec(), reusable: Vec::new(), count }
    }

    #[test]
    fn one_node_is_chosen_where_one_is_enough() {
        use TopologyPolicy::{BestEffort, Restricted, SingleNumaNode};
        for policy in [BestEffort, Restricted, SingleNumaNode] {
            assert_eq!(affinity(policy, &[wish(&[0b01, 0b10, 0b10], 2)]), Ok(Some(0b10)), "{policy:?}");
            assert_eq!(affinity(policy, &[wish(&[0b01, 0b10], 1)]), Ok(Some(0b01)), "{policy:?}");
        }
        assert_eq!(affinity(TopologyPolicy::None, &[wish(&[0b01, 0b10, 0b10], 2)]), Ok(None));
    }

    #[test]
    fn policies_differ_where_one_node_is_not_enough() {
        use TopologyPolicy::{BestEffort, Restricted, SingleNumaNode};
        let by_use = || [wish(&[0b01, 0b10], 2)];
        assert_eq!(affinity(BestEffort, &by_use()), Ok(Some(0b11)));
        assert_eq!(
            affinity(Restricted, &by_use()),
            Err(NotAligned),
            "one node would do if nothing were in use"
        );
        assert_eq!(affinity(SingleNumaNode, &by_use()), Err(NotAligned));
        let by_size = || [wish(&[0b01, 0b01, 0b10, 0b10], 3)];
        assert_eq!(affinity(BestEffort, &by_size()), Ok(Some(0b11)));
        assert_eq!(affinity(Restricted, &by_size()), Ok(Some(0b11)), "three never fit one node");
        assert_eq!(affinity(SingleNumaNode, &by_size()), Err(NotAligned));
    }

    #[test]
    fn resources_are_chosen_near_the_same_node() {
        let first = wish(&[0b01, 0b10], 1);
        let second = wish(&[0b10], 1);
        assert_eq!(affinity(TopologyPolicy::SingleNumaNode, &[first, second]), Ok(Some(0b10)));
        let apart = [wish(&[0b01], 1), wish(&[0b10], 1)];
        assert_eq!(affinity(TopologyPolicy::Restricted, &apart), Err(NotAligned));
        assert_eq!(
            affinity(TopologyPolicy::BestEffort, &apart),
            Ok(Some(0b01)),
            "the kubelet settles for one of them"
        );
    }

    #[test]
    fn devices_without_a_node_leave_the_choice_to_others() {
        let nowhere = Wish { all: vec![0], available: vec![0], reusable: Vec::new(), count: 1 };
        assert_eq!(affinity(TopologyPolicy::SingleNumaNode, &[nowhere, wish(&[0b10], 1)]), Ok(Some(0b10)));
    }

    #[test]
    fn devices_of_init_containers_bind_the_others() {
        let reusing = Wish { reusable: vec![0b10], ..wish(&[0b01, 0b01, 0b10], 2) };
        assert_eq!(affinity(TopologyPolicy::SingleNumaNode, &[reusing]), Ok(Some(0b10)));
    }

    #[test]
    fn too_few_devices_are_not_aligned() {
        assert_eq!(affinity(TopologyPolicy::Restricted, &[wish(&[0b01], 2)]), Err(NotAligned));
        assert_eq!(affinity(TopologyPolicy::BestEffort, &[wish(&[0b01], 2)]), Ok(Some(u64::MAX)));
    }

    #[test]
    fn absurd_nodes_do_no_harm() {
        let device = |numa: &[i64]| nodes_of(&DeviceState { healthy: true, numa: numa.to_vec() });
        assert_eq!(device(&[-1, 64, i64::MAX, 3]), 0b1000);
        let many = Wish { all: vec![u64::MAX], available: vec![u64::MAX], reusable: Vec::new(), count: 1 };
        assert_eq!(affinity(TopologyPolicy::BestEffort, &[many]), Ok(Some(1)));
    }
}
