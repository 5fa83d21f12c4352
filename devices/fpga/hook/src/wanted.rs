//! What a container's variables ask for: `FPGA_REGION_<n>` names an interface, `FPGA_AFU_<n>` the function to be programmed
//! behind a port of a card that has it. The admission webhook sets both, numbered from 1.

use std::collections::BTreeMap;

use fpga_bitstream::{BadId, BadName, Id, Name};

const REGION: &str = "FPGA_REGION_";
const FUNCTION: &str = "FPGA_AFU_";

/// A message shows so much of a text that is not ours.
const MAX_SHOWN: usize = 60;

/// One function to be programmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The number that its variables end with.
    pub number: u32,
    /// What the port's card must have.
    pub interface: Id,
    /// What must be behind the port.
    pub function: Name,
}

/// What can be wrong with the variables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    /// There is none of a kind.
    #[error("the container has no variable {0}<number>: it does not say what is to be programmed")]
    None(&'static str),
    /// It has a name of ours and no value.
    #[error("the variable {0:?} has no value")]
    NoValue(String),
    /// What its name ends with is no number.
    #[error("the variable {0:?} does not end in a number without zeros before it, as {1}1 does")]
    NoNumber(String, &'static str),
    /// Its value is no interface.
    #[error("{REGION}{0}: {1}")]
    Interface(u32, BadId),
    /// Its value is no function.
    #[error("{FUNCTION}{0}: {1}")]
    Function(u32, BadName),
    /// The other of the pair is missing.
    #[error("{0}{2} has no {1}{2} beside it")]
    Alone(&'static str, &'static str, u32),
}

/// Reads the variables, each `NAME=VALUE`; others than ours do not matter. The answer is in the order of their numbers. As
/// everywhere in an environment, the last variable of a name counts.
pub fn wanted<T: AsRef<str>>(environment: &[T]) -> Result<Vec<Wanted>, WantedError> {
    let mut regions = numbered(environment, REGION)?;
    let functions = numbered(environment, FUNCTION)?;
    if let Some(number) = regions.keys().find(|number| !functions.contains_key(number)) {
        return Err(WantedError::Alone(REGION, FUNCTION, *number));
    }
    let pair = |(number, function): (u32, &str)| {
        let region = regions.remove(&number).ok_or(WantedError::Alone(FUNCTION, REGION, number))?;
        Ok(Wanted {
            number,
            interface: region.parse().map_err(|error| WantedError::Interface(number, error))?,
            function: function.parse().map_err(|error| WantedError::Function(number, error))?,
        })
    };
    functions.into_iter().map(pair).collect()
}

/// The values of the variables that begin like this, by the number that their names end with.
fn numbered<'a, T: AsRef<str>>(
    environment: &'a [T],
    prefix: &'static str,
) -> Result<BTreeMap<u32, &'a str>, WantedError> {
    let mut found = BTreeMap::new();
    for variable in environment.iter().map(AsRef::as_ref) {
        let Some(rest) = variable.strip_prefix(prefix) else { continue };
        let (number, value) = rest.split_once('=').ok_or_else(|| WantedError::NoValue(shown(variable)))?;
        match number.parse() {
            // In one way only: an image that sets FPGA_AFU_01 must not win over the pod's FPGA_AFU_1.
            Ok(read) if u32::to_string(&read) == number => _ = found.insert(read, value),
            _ => return Err(WantedError::NoNumber(shown(&format!("{prefix}{number}")), prefix)),
        }
    }
    if found.is_empty() { Err(WantedError::None(prefix)) } else { Ok(found) }
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIA: &str = "ce48969398f05f33946d560708be108a";
    const NLB0: &str = "d8424dc4a4a3c413f89e433683f9040b";
    const NLB3: &str = "f7df405cbd7acf7222f144b0b93acd18";

    fn of(variables: &[(&str, &str)]) -> Result<Vec<(u32, String, String)>, WantedError> {
        let environment: Vec<String> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let wanted = wanted(&environment)?.into_iter();
        Ok(wanted.map(|w| (w.number, w.interface.to_string(), w.function.to_string())).collect())
    }

    #[test]
    fn pairs_come_in_the_order_of_their_numbers() {
        let wanted = of(&[
            ("PATH", "/bin"),
            ("FPGA_AFU_10", NLB0),
            ("FPGA_REGION_10", ARRIA),
            ("FPGA_REGION_2", "CE489693-98F0-5F33-946D-560708BE108A"),
            ("FPGA_AFU_2", &format!(" {}\n", NLB3.to_uppercase())),
            ("FPGA_AFU", "of nobody"),
        ]);
        let expected = [(2, ARRIA.to_owned(), NLB3.to_owned()), (10, ARRIA.to_owned(), NLB0.to_owned())];
        assert_eq!(wanted.unwrap(), expected);
    }

    #[test]
    fn the_last_variable_of_a_name_counts() {
        let wanted = of(&[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", NLB0), ("FPGA_AFU_1", NLB3)]).unwrap();
        assert_eq!(wanted, [(1, ARRIA.to_owned(), NLB3.to_owned())]);
    }

    #[test]
    fn a_hash_of_an_opencl_program_is_a_function_too() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let wanted = of(&[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", hash)]).unwrap();
        assert_eq!(wanted, [(1, ARRIA.to_owned(), hash.to_owned())]);
    }

    #[test]
    fn what_is_missing_is_said() {
        let cases: [(&[(&str, &str)], &str); 6] = [
            (&[("FPGA_AFU", NLB0)], "the container has no variable FPGA_REGION_<number>: it does not say"),
            (&[("FPGA_AFU_1", NLB0)], "the container has no variable FPGA_REGION_<number>: it does not say"),
            (&[("FPGA_REGION_1", ARRIA)], "the container has no variable FPGA_AFU_<number>: it does not say"),
            (
                &[("FPGA_REGION_1", ARRIA), ("FPGA_REGION_2", ARRIA), ("FPGA_AFU_1", NLB0)],
                "FPGA_REGION_2 has no FPGA_AFU_2 beside it",
            ),
            (
                &[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", NLB0), ("FPGA_AFU_3", NLB0)],
                "FPGA_AFU_3 has no FPGA_REGION_3 beside it",
            ),
            (
                &[("FPGA_REGION_x", ARRIA)],
                "the variable \"FPGA_REGION_x\" does not end in a number without zeros before it, as FPGA_REGION_1",
            ),
        ];
        for (variables, expected) in cases {
            let error = of(variables).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        for name in
            ["FPGA_REGION_", "FPGA_REGION_+1", "FPGA_REGION_-1", "FPGA_REGION_01", "FPGA_REGION_4294967296"]
        {
            assert!(matches!(of(&[(name, ARRIA)]), Err(WantedError::NoNumber(..))), "{name}");
        }
    }

    #[test]
    fn a_variable_without_a_value_is_an_error() {
        assert_eq!(wanted(&["FPGA_REGION_1"]), Err(WantedError::NoValue("FPGA_REGION_1".to_owned())));
    }

    #[test]
    fn no_value_can_leave_the_store() {
        for value in ["", "..", "../../etc/passwd", "a/b", "a.gbs", "a\0b", "ä"] {
            let function = of(&[("FPGA_REGION_1", ARRIA), ("FPGA_AFU_1", value)]);
            assert!(matches!(function, Err(WantedError::Function(1, _))), "{value:?}");
            let region = of(&[("FPGA_REGION_1", value), ("FPGA_AFU_1", NLB0)]);
            assert!(matches!(region, Err(WantedError::Interface(1, _))), "{value:?}");
        }
    }
}
