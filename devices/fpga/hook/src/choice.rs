//! Which port each wanted function gets: one of a card of its own, and without programming where that can be.

use crate::Wanted;

/// The indices of the ports for `wanted`, in its order, or the first that no port is left for. `fits` says whether a port is
/// of a card with the right interface; `holds`, whether it has the function already; `card`, which card it is of.
///
/// One port of each card, for a container asks for cards (`fpga.intel.com/region-…`), and what each is programmed with is decided
/// with that: variables beyond it come from elsewhere, such as its image.
pub(crate) fn choose<'a, P>(
    wanted: &'a [Wanted],
    ports: &[P],
    fits: impl Fn(&P, &Wanted) -> bool,
    holds: impl Fn(&P, &Wanted) -> bool,
    card: impl Fn(&P) -> &str,
) -> Result<Vec<usize>, &'a Wanted> {
    let mut taken = Vec::new();
    let mut take = |is_good: &dyn Fn(&P) -> bool| {
        let is_free = |port: &P| !taken.contains(&card(port));
        let (index, port) = ports.iter().enumerate().find(|(_, port)| is_free(port) && is_good(port))?;
        taken.push(card(port));
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

    /// Each port is an interface and a function, a digit each, and of a card of its own if it does not name one.
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
        let fits = |(port, _): &(&str, &str), wanted: &Wanted| id(&port[..1]) == wanted.interface.to_string();
        let holds = |(port, _): &(&str, &str), wanted: &Wanted| id(&port[1..]) == wanted.function.to_string();
        let numbers: Vec<String> = (0..ports.len()).map(|number| number.to_string()).collect();
        let numbered: Vec<(&str, &str)> = ports
            .iter()
            .zip(&numbers)
            .map(|(port, number)| port.split_once(" of ").unwrap_or((port, number)))
            .collect();
        choose(&wanted, &numbered, fits, holds, |(_, card)| card).map_err(|wanted| wanted.number)
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
    fn a_card_is_for_one_function_however_many_ports_it_has() {
        assert_eq!(chosen(&["aa", "ab"], &["ac of x", "ac of x", "ad of y"]), Ok(vec![0, 2]));
        assert_eq!(chosen(&["aa", "ab"], &["ab of x", "aa of x"]), Err(2));
    }

    #[test]
    fn only_a_port_of_the_interface_will_do() {
        assert_eq!(chosen(&["ba", "aa"], &["aa", "ba"]), Ok(vec![1, 0]));
        assert_eq!(chosen(&["aa"], &["ba"]), Err(1));
        assert_eq!(chosen(&["aa"], &[]), Err(1));
        assert_eq!(chosen(&[], &["aa"]), Ok(vec![]));
    }
}
