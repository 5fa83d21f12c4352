//! Which port each wanted function gets: one of its own, and without programming where that can be.

use crate::Wanted;

/// The indices of the ports for `wanted`, in its order, or the first that no port is left for. `fits` says whether a port is
/// of a card with the right interface; `holds`, whether it has the function already.
pub(crate) fn choose<'a, P>(
    wanted: &'a [Wanted],
    ports: &[P],
    fits: impl Fn(&P, &Wanted) -> bool,
    holds: impl Fn(&P, &Wanted) -> bool,
) -> Result<Vec<usize>, &'a Wanted> {
    let mut free: Vec<bool> = ports.iter().map(|_| true).collect();
    let mut take = |is_good: &dyn Fn(&P) -> bool| {
        let (index, is_free) = free
            .iter_mut()
            .enumerate()
            .find(|(index, is_free)| **is_free && ports.get(*index).is_some_and(is_good))?;
        *is_free = false;
        Some(index)
    };
    // All that are there before any other, so that none of them is programmed over.
    let there: Vec<Option<usize>> =
        wanted.iter().map(|wanted| take(&|port| fits(port, wanted) && holds(port, wanted))).collect();
    let both = wanted.iter().zip(there);
    both.map(|(wanted, there)| there.or_else(|| take(&|port| fits(port, wanted))).ok_or(wanted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each port is an interface and a function, a digit each.
    fn chosen(wanted: &[&str], ports: &[&str]) -> Result<Vec<usize>, u32> {
        let id = |digit: &str| digit.repeat(32);
        let wanted: Vec<Wanted> = (1..)
            .zip(wanted)
            .map(|(number, text)| Wanted {
                number,
                interface: id(&text[..1]).parse().unwrap(),
                function: id(&text[1..]).parse().unwrap(),
            })
            .collect();
        let fits = |port: &&str, wanted: &Wanted| id(&port[..1]) == wanted.interface.to_string();
        let holds = |port: &&str, wanted: &Wanted| id(&port[1..]) == wanted.function.to_string();
        choose(&wanted, ports, fits, holds).map_err(|wanted| wanted.number)
    }

    #[test]
    fn two_of_one_function_get_two_ports() {
        assert_eq!(chosen(&["aa", "aa"], &["ab", "ac"]), Ok(vec![0, 1]));
        assert_eq!(chosen(&["aa", "aa"], &["aa", "ac"]), Ok(vec![0, 1]));
        assert_eq!(chosen(&["aa", "aa"], &["aa"]), Err(2));
    }

    #[test]
    fn a_port_that_has_the_function_is_left_alone() {
        assert_eq!(chosen(&["aa", "ab"], &["ab", "aa"]), Ok(vec![1, 0]));
        assert_eq!(chosen(&["ac", "ab"], &["ab", "aa"]), Ok(vec![1, 0]));
    }

    #[test]
    fn only_a_port_of_the_interface_will_do() {
        assert_eq!(chosen(&["ba", "aa"], &["aa", "ba"]), Ok(vec![1, 0]));
        assert_eq!(chosen(&["aa"], &["ba"]), Err(1));
        assert_eq!(chosen(&["aa"], &[]), Err(1));
        assert_eq!(chosen(&[], &["aa"]), Ok(vec![]));
    }
}
