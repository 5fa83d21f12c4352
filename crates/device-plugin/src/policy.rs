//! Which of the free devices to hand out: the answers that plugins choose from.
//!
//! Each takes what the kubelet asks and returns as many ids as it asks for (all that there are, if fewer are free), those
//! that must be included first. None fails: an error here would fail the pod.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// A container asks for devices.
#[derive(Debug, Clone, Default)]
pub struct Choice<'a> {
    /// Ids that are free, in the kubelet's order; includes those of `must_include`.
    pub available: Vec<&'a str>,
    /// Ids that must be among the chosen.
    pub must_include: Vec<&'a str>,
    /// How many are wanted.
    pub size: usize,
}

impl<'a> Choice<'a> {
    /// The ids that must be included, and those that may be.
    fn split(&self) -> (Vec<&'a str>, Vec<&'a str>) {
        let mut taken = BTreeSet::new();
        let mut chosen: Vec<&str> =
            self.must_include.iter().copied().filter(|id| taken.insert(*id)).collect();
        chosen.truncate(self.size);
        let rest = self.available.iter().copied().filter(|id| taken.insert(id)).collect();
        (chosen, rest)
    }

    fn finish(&self, mut chosen: Vec<&'a str>, rest: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let missing = self.size.saturating_sub(chosen.len());
        chosen.extend(rest.into_iter().take(missing));
        chosen.into_iter().map(str::to_owned).collect()
    }
}

/// As they come.
pub fn first(choice: &Choice<'_>) -> Vec<String> {
    let (chosen, rest) = choice.split();
    choice.finish(chosen, rest)
}

/// One unit of every group first, in the kubelet's order, then the rest: a container that asks for two units gets two
/// pieces of hardware if it can.
pub fn spread<G: Ord>(choice: &Choice<'_>, group: impl Fn(&str) -> G) -> Vec<String> {
    let (chosen, rest) = choice.split();
    let mut seen: BTreeSet<G> = chosen.iter().map(|id| group(id)).collect();
    let (fresh, again): (Vec<_>, Vec<_>) = rest.into_iter().partition(|id| seen.insert(group(id)));
    choice.finish(chosen, fresh.into_iter().chain(again))
}

/// Always the first unit of the group that has most free units: all groups stay equally used.
pub fn balanced<G: Ord>(choice: &Choice<'_>, group: impl Fn(&str) -> G) -> Vec<String> {
    let (chosen, rest) = choice.split();
    let mut groups: BTreeMap<G, Vec<&str>> = BTreeMap::new();
    for id in rest {
        groups.entry(group(id)).or_default().push(id);
    }
    let mut groups: Vec<Vec<&str>> = groups.into_values().collect();
    for ids in &mut groups {
        // Taken from the end.
        ids.sort_by(|a, b| natural(b, a));
    }
    let missing = choice.size.saturating_sub(chosen.len());
    let mut picked = Vec::new();
    while picked.len() < missing {
        // The first of the fullest: `max_by_key` would give the last.
        let Some(fullest) = groups.iter_mut().rev().max_by_key(|ids| ids.len()) else {
            break;
        };
        let Some(id) = fullest.pop() else { break };
        picked.push(id);
    }
    choice.finish(chosen, picked)
}

/// Fills one group before the next, first those groups that the container must have a part of: whole pieces of hardware
/// stay free.
pub fn packed<G: Ord>(choice: &Choice<'_>, group: impl Fn(&str) -> G) -> Vec<String> {
    let (chosen, mut rest) = choice.split();
    let begun: BTreeSet<G> = chosen.iter().map(|id| group(id)).collect();
    rest.sort_by(|a, b| {
        let (group_a, group_b) = (group(a), group(b));
        let order = begun.contains(&group_b).cmp(&begun.contains(&group_a));
        order.then_with(|| group_a.cmp(&group_b)).then_with(|| natural(a, b))
    });
    choice.finish(chosen, rest)
}

/// Units near one NUMA node: the node that the container must be near to, else the one that the whole request fills best,
/// else the nodes with most free units. Units without a place come last.
pub fn numa_aligned(choice: &Choice<'_>, numa: impl Fn(&str) -> Option<u32>) -> Vec<String> {
    let (chosen, rest) = choice.split();
    let begun: BTreeSet<u32> = chosen.iter().filter_map(|id| numa(id)).collect();
    let missing = choice.size.saturating_sub(chosen.len());
    let mut nodes: BTreeMap<Option<u32>, Vec<&str>> = BTreeMap::new();
    for id in rest {
        nodes.entry(numa(id)).or_default().push(id);
    }
    let mut nodes: Vec<(Option<u32>, Vec<&str>)> = nodes.into_iter().collect();
    nodes.sort_by_key(|(node, ids)| {
        let fits = ids.len() >= missing;
        let waste = if fits { ids.len() } else { usize::MAX - ids.len() };
        (node.is_none(), !node.is_some_and(|n| begun.contains(&n)), !fits, waste, *node)
    });
    for (_, ids) in &mut nodes {
        ids.sort_by(|a, b| natural(a, b));
    }
    choice.finish(chosen, nodes.into_iter().flat_map(|(_, ids)| ids))
}

/// The order in which people count: `card2` before `card10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        let (digits_left, digits_right) = (digits(left), digits(right));
        let order = if digits_left > 0 && digits_right > 0 {
            let (number_left, rest_left) = left.split_at(digits_left);
            let (number_right, rest_right) = right.split_at(digits_right);
            (left, right) = (rest_left, rest_right);
            let (number_left, number_right) = (significant(number_left), significant(number_right));
            number_left.len().cmp(&number_right.len()).then_with(|| number_left.cmp(number_right))
        } else {
            let (Some((byte_left, rest_left)), Some((byte_right, rest_right))) =
                (left.split_first(), right.split_first())
            else {
                // `a01` and `a1` count as the same so far, but two ids are never equal.
                return left.len().cmp(&right.len()).then_with(|| a.cmp(b));
            };
            (left, right) = (rest_left, rest_right);
            byte_left.cmp(byte_right)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|b| **b == b'0').count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(id: &str) -> String {
        id.split('-').next().unwrap().to_owned()
    }

    fn choice<'a>(available: &[&'a str], must_include: &[&'a str], size: usize) -> Choice<'a> {
        Choice { available: available.to_vec(), must_include: must_include.to_vec(), size }
    }

    #[test]
    fn ids_that_are_named_twice_are_chosen_once_and_any_size_can_be_asked_for() {
        let wanted = choice(&["a-1", "b-1", "a-1"], &["b-1", "b-1"], usize::MAX);
        let numa = |id: &str| id.starts_with('a').then_some(0);
        for chosen in [
            first(&wanted),
            spread(&wanted, card),
            balanced(&wanted, card),
            packed(&wanted, card),
            numa_aligned(&wanted, numa),
        ] {
            assert_eq!(chosen, ["b-1", "a-1"]);
        }
        assert_eq!(first(&choice(&["a-1"], &["b-1", "c-1"], 1)), ["b-1"]);
    }

    #[test]
    fn spread_takes_one_of_each_group_in_the_order_given() {
        let free = ["card0-4", "card0-1", "card1-1", "card2-3", "card1-0"];
        assert_eq!(spread(&choice(&free, &[], 3), card), ["card0-4", "card1-1", "card2-3"]);
        assert_eq!(spread(&choice(&free, &[], 4), card), ["card0-4", "card1-1", "card2-3", "card0-1"]);
        let free = ["card0-1", "card0-2", "card0-3", "card1-1"];
        assert_eq!(spread(&choice(&free, &[], 3), card), ["card0-1", "card1-1", "card0-2"]);
    }

    #[test]
    fn spread_counts_what_must_be_included() {
        let free = ["card0-0", "card0-1", "card1-0"];
        assert_eq!(spread(&choice(&free, &["card0-1"], 2), card), ["card0-1", "card1-0"]);
    }

    #[test]
    fn balanced_takes_from_the_fullest_group_and_the_first_on_a_tie() {
        let free = ["card0-0", "card1-0", "card1-1", "card1-2", "card2-0"];
        assert_eq!(balanced(&choice(&free, &[], 3), card), ["card1-0", "card1-1", "card0-0"]);
        let free = ["card1-0", "card0-10", "card0-2"];
        assert_eq!(balanced(&choice(&free, &["card1-0"], 2), card), ["card1-0", "card0-2"]);
    }

    #[test]
    fn packed_fills_a_group_before_the_next() {
        let free = ["card10-0", "card2-1", "card2-0", "card2-10", "card2-2"];
        assert_eq!(packed(&choice(&free, &[], 3), |id| card(id).len()), ["card2-0", "card2-1", "card2-2"]);
        assert_eq!(
            packed(&choice(&free, &["card10-0"], 2), |id| card(id).len()),
            ["card10-0", "card2-0"],
            "no other unit of card10 is free"
        );
        let free = ["card0-0", "card1-0", "card1-1"];
        assert_eq!(packed(&choice(&free, &["card1-1"], 2), card), ["card1-1", "card1-0"]);
    }

    #[test]
    fn numa_aligned_prefers_the_node_that_fits_best() {
        let node = |id: &str| id.split('-').next_back().and_then(|n| n.parse().ok());
        let free = ["a-0", "b-0", "c-0", "d-1", "e-1", "f-x"];
        assert_eq!(numa_aligned(&choice(&free, &[], 2), node), ["d-1", "e-1"]);
        assert_eq!(numa_aligned(&choice(&free, &[], 3), node), ["a-0", "b-0", "c-0"]);
        assert_eq!(numa_aligned(&choice(&free, &[], 4), node), ["a-0", "b-0", "c-0", "d-1"]);
        assert_eq!(numa_aligned(&choice(&free, &["a-0"], 2), node), ["a-0", "b-0"]);
        assert_eq!(numa_aligned(&choice(&free, &[], 6), node).last().unwrap(), "f-x");
    }

    #[test]
    fn all_are_returned_when_more_are_asked_for() {
        let free = ["card0-0", "card1-0"];
        for policy in [spread::<String>, balanced::<String>, packed::<String>] {
            assert_eq!(policy(&choice(&free, &[], 5), card as fn(&str) -> String).len(), 2);
            assert!(policy(&choice(&free, &[], 0), card as fn(&str) -> String).is_empty());
        }
    }

    #[test]
    fn natural_order_counts_as_people_do() {
        let mut ids = ["card10-0", "card2-10", "card2-9", "card", "card02-9", "a"];
        ids.sort_by(|a, b| natural(a, b));
        assert_eq!(ids, ["a", "card", "card02-9", "card2-9", "card2-10", "card10-0"]);
    }

    proptest::proptest! {
        #[test]
        fn every_policy_returns_just_what_was_asked(
            ids in proptest::collection::btree_set("[ab][0-9]{1,3}-[0-9]{1,2}", 0..20),
            musts in 0usize..5,
            size in 0usize..25,
        ) {
            let available: Vec<&str> = ids.iter().map(String::as_str).collect();
            let must_include: Vec<&str> = available.iter().copied().rev().take(musts).collect();
            let choice = Choice { available, must_include, size };
            let answers = [
                first(&choice),
                spread(&choice, card),
                balanced(&choice, card),
                packed(&choice, card),
                numa_aligned(&choice, |id| id.as_bytes().get(1).map(|b| u32::from(*b))),
            ];
            for answer in answers {
                let unique: BTreeSet<&String> = answer.iter().collect();
                proptest::prop_assert_eq!(unique.len(), answer.len());
                proptest::prop_assert_eq!(answer.len(), size.min(choice.available.len()));
                proptest::prop_assert!(answer.iter().all(|id| ids.contains(id)));
                let included = choice.must_include.iter().filter(|id| unique.contains(&(**id).to_owned())).count();
                proptest::prop_assert_eq!(included, choice.must_include.len().min(size));
            }
        }

        #[test]
        fn natural_is_an_order(a in "[a0-9]{0,6}", b in "[a0-9]{0,6}", c in "[a0-9]{0,6}") {
            proptest::prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            proptest::prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b).is_lt() && natural(&b, &c).is_lt() {
                proptest::prop_assert!(natural(&a, &c).is_lt());
            }
        }
    }
}
