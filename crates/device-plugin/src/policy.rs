//! Which of the free devices to hand out: the answers that plugins choose from.

/// A container asks for devices.
#[derive(Debug, Clone)]
pub struct Choice<'a> {
    /// Ids that are free, in the kubelet's order; includes those of `must_include`.
    pub available: Vec<&'a str>,
    /// Ids that must be among the chosen.
    pub must_include: Vec<&'a str>,
    /// How many are wanted.
    pub size: usize,
}

/// As they come.
pub fn first(choice: &Choice<'_>) -> Vec<String> {
    choice.available.iter().take(choice.size).map(|id| (*id).to_owned()).collect() // PLACEHOLDER
}

/// `none`: one unit of every group first, in the kubelet's order, then the rest.
pub fn spread<G: Ord>(choice: &Choice<'_>, _group: impl Fn(&str) -> G) -> Vec<String> {
    first(choice)
}

/// `balanced`: always the first unit of the group with most free units.
pub fn balanced<G: Ord>(choice: &Choice<'_>, _group: impl Fn(&str) -> G) -> Vec<String> {
    first(choice)
}

/// `packed`: fill one group before the next.
pub fn packed<G: Ord>(choice: &Choice<'_>, _group: impl Fn(&str) -> G) -> Vec<String> {
    first(choice)
}

/// NUMA-aligned: units near one node first.
pub fn numa_aligned(choice: &Choice<'_>, _numa: impl Fn(&str) -> Option<u32>) -> Vec<String> {
    first(choice)
}
