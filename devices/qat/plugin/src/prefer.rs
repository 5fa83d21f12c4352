//! Which free virtual functions a container gets.

use device_plugin::policy::{self, Choice};
use host::PciAddress;

use crate::Policy;

/// The ones to hand out. Those of one physical function share its bus.
pub(crate) fn prefer(policy: Policy, choice: &Choice<'_>) -> Vec<String> {
    match policy {
        Policy::None => {
            // The kubelet's order is random.
            let mut choice = choice.clone();
            choice.available.sort_by_key(|id| place(id));
            policy::first(&choice)
        }
        Policy::Balanced => policy::balanced(choice, bus),
        Policy::Packed => policy::packed(choice, bus),
    }
}

/// Sorts ids by their address; what is none comes last.
fn place(id: &str) -> (bool, Option<PciAddress>, String) {
    let address = id.parse().ok();
    (address.is_none(), address, id.to_owned())
}

fn bus(id: &str) -> (bool, Option<PciAddress>, String) {
    match id.parse::<PciAddress>() {
        Ok(address) => (false, Some(PciAddress { device: 0, function: 0, ..address }), String::new()),
        Err(_) => place(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: [&str; 20] = [
        "0000:03:00.4",
        "0000:04:00.1",
        "0000:05:00.3",
        "0000:05:00.4",
        "0000:05:00.1",
        "0000:04:00.0",
        "0000:04:00.4",
        "0000:06:00.4",
        "0000:04:00.2",
        "0000:03:00.1",
        "0000:05:00.0",
        "0000:05:00.2",
        "0000:04:00.3",
        "0000:03:00.2",
        "0000:06:00.0",
        "0000:06:00.3",
        "0000:03:00.3",
        "0000:03:00.0",
        "0000:06:00.1",
        "0000:06:00.2",
    ];

    fn choose(policy: Policy, available: &[&str], must_include: &[&str], size: usize) -> Vec<String> {
        prefer(policy, &Choice { available: available.to_vec(), must_include: must_include.to_vec(), size })
    }

    #[test]
    fn none_takes_the_first_ones() {
        let first = ["0000:03:00.0", "0000:03:00.1", "0000:03:00.2", "0000:03:00.3"];
        assert_eq!(choose(Policy::None, &FREE, &[], 4), first);
        let free = ["0000:10:00.1", "0000:0a:00.2", "10000:01:00.1", "0000:0a:01.0", "0000:0a:00.7"];
        let sorted = ["0000:0a:00.2", "0000:0a:00.7", "0000:0a:01.0", "0000:10:00.1", "10000:01:00.1"];
        assert_eq!(choose(Policy::None, &free, &[], 5), sorted);
    }

    #[test]
    fn packed_fills_a_physical_function() {
        let first = ["0000:03:00.0", "0000:03:00.1", "0000:03:00.2", "0000:03:00.3"];
        assert_eq!(choose(Policy::Packed, &FREE, &[], 4), first);
        let free = ["0000:03:00.1", "0000:04:00.2", "0000:04:01.0"];
        assert_eq!(
            choose(Policy::Packed, &free, &["0000:04:00.2"], 2),
            ["0000:04:00.2", "0000:04:01.0"],
            "the one that the container has a part of already"
        );
    }

    #[test]
    fn balanced_takes_one_of_each_physical_function() {
        let one_of_each = ["0000:03:00.0", "0000:04:00.0", "0000:05:00.0", "0000:06:00.0"];
        assert_eq!(choose(Policy::Balanced, &FREE, &[], 4), one_of_each);
        let free = ["0000:03:00.1", "0000:04:00.5", "0000:04:00.6"];
        assert_eq!(choose(Policy::Balanced, &free, &[], 1), ["0000:04:00.5"], "the least used");
    }

    #[test]
    fn what_must_be_included_is_and_more_than_there_are_is_all() {
        for policy in [Policy::None, Policy::Balanced, Policy::Packed] {
            let chosen = choose(policy, &FREE, &["0000:06:00.2"], 2);
            assert_eq!((chosen.len(), chosen[0].as_str()), (2, "0000:06:00.2"), "{policy:?}");
            assert_eq!(choose(policy, &FREE, &[], 32).len(), FREE.len(), "{policy:?}");
        }
    }

    #[test]
    fn ids_that_are_no_addresses_do_no_harm() {
        for policy in [Policy::None, Policy::Balanced, Policy::Packed] {
            let free = ["what", "0000:03:00.0", ""];
            let mut chosen = choose(policy, &free, &[], 3);
            chosen.sort_unstable();
            assert_eq!(chosen, ["", "0000:03:00.0", "what"], "{policy:?}");
        }
    }
}
