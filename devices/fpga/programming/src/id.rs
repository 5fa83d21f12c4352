//! The ids of interfaces and of accelerator functions.

use std::fmt;
use std::str::FromStr;

/// The longest text that is looked at: some white space around 32 digits and dashes between them.
const MOST_BYTES: usize = 80;

/// What should be in a file that holds an id, for messages.
pub(crate) const EXPECTED: &str = "an id of 32 hexadecimal digits";

/// A UUID, which both drivers print as 32 lower-case hexadecimal digits without dashes.
///
/// Read from a text that may have capitals, dashes and white space around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(u128);

/// The text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 32 hexadecimal digits, with or without dashes")]
pub struct BadId;

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.len() > MOST_BYTES {
            return Err(BadId);
        }
        let digits = text.trim().replace('-', "");
        // The standard library would also take a sign.
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadId);
        }
        u128::from_str_radix(&digits, 16).map(Self).ok().ok_or(BadId)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Id {
    /// What a card that does not answer gives as any of its ids.
    pub fn is_all_ones(self) -> bool {
        self.0 == u128::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "d8424dc4a4a3c413f89e433683f9040b";

    #[test]
    fn dashes_capitals_and_white_space_make_no_difference() {
        let id: Id = " D8424DC4-A4A3-C413-F89E-433683F9040B\n".parse().unwrap();
        assert_eq!(id.to_string(), DIGITS);
        assert_eq!(id, DIGITS.parse().unwrap());
        let zeros = "0".repeat(31) + "1";
        assert_eq!(zeros.parse::<Id>().unwrap().to_string(), zeros);
    }

    #[test]
    fn what_is_not_32_hexadecimal_digits_is_no_id() {
        let bad =
            ["", "-", "unparsable", "../../etc", &DIGITS[1..], &format!("{DIGITS}0"), &DIGITS.repeat(2)];
        let sign = format!("+{}", &DIGITS[1..]);
        for text in bad.into_iter().chain(["d8424dc4a4a3c413f89e433683f9040g", &sign, &"-".repeat(1000)]) {
            assert_eq!(text.parse::<Id>(), Err(BadId), "{text}");
        }
    }

    #[test]
    fn all_ones_is_no_answer() {
        assert!("FFFFFFFFffffffffFFFFFFFFffffffff".parse::<Id>().unwrap().is_all_ones());
        assert!(!DIGITS.parse::<Id>().unwrap().is_all_ones());
    }
}
