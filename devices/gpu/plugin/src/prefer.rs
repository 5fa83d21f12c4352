//! Which free units a container gets.

use device_plugin::policy::{self, Choice};

use crate::Policy;

/// The units to hand out; those of one card share the text before the first dash of their id.
pub(crate) fn prefer(policy: Policy, choice: &Choice<'_>) -> Vec<String> {
    match policy {
        Policy::None => policy::spread(choice, card),
        Policy::Balanced => policy::balanced(choice, card),
        Policy::Packed => policy::packed(choice, card),
    }
}

/// The card's number: `card2` comes before `card10`.
fn card(id: &str) -> (u64, String) {
    let name = id.split('-').next().unwrap_or(id);
    let number = name.strip_prefix("card").and_then(|number| number.parse().ok());
    (number.unwrap_or(u64::MAX), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: [&str; 20] = [
        "card0-4", "card1-1", "card2-3", "card3-4", "card0-0", "card1-0", "card2-0", "card3-0", "card0-1",
        "card0-2", "card0-3", "card1-2", "card1-3", "card1-4", "card2-1", "card2-2", "card2-4", "card3-1",
        "card3-2", "card3-3",
    ];

    fn choose(policy: Policy, available: &[&str], size: usize) -> Vec<String> {
        prefer(policy, &Choice { available: available.to_vec(), must_include: Vec::new(), size })
    }

    #[test]
    fn none_takes_the_first_unit_of_each_card_in_the_order_given() {
        assert_eq!(choose(Policy::None, &FREE, 4), ["card0-4", "card1-1", "card2-3", "card3-4"]);
        let free = ["card0-1", "card0-2", "card0-3", "card1-1"];
        assert_eq!(choose(Policy::None, &free, 3), ["card0-1", "card1-1", "card0-2"]);
    }

    #[test]
    fn balanced_takes_one_of_each_card() {
        assert_eq!(choose(Policy::Balanced, &FREE, 4), ["card0-0", "card1-0", "card2-0", "card3-0"]);
    }

    #[test]
    fn packed_fills_a_card_and_counts_as_people_do() {
        assert_eq!(choose(Policy::Packed, &FREE, 4), ["card0-0", "card0-1", "card0-2", "card0-3"]);
        let free = ["card10-0", "card2-10", "card2-9"];
        assert_eq!(choose(Policy::Packed, &free, 2), ["card2-9", "card2-10"]);
    }
}
