//! The ids of interfaces and of accelerator functions.

use std::fmt;
use std::str::FromStr;

/// A UUID as both drivers print it: 32 hexadecimal digits, lower case, no dashes.
///
/// Read from a text that may have capitals, dashes and white space around it. It never holds anything else, so it can be a
/// part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

/// The text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 32 hexadecimal digits, with or without dashes")]
pub struct BadId;

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let text = text.trim();
        // Bounded, as the text may come from a container.
        if text.len() > 64 {
            return Err(BadId);
        }
        let digits: String = text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        let good = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if good { Ok(Self(digits)) } else { Err(BadId) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Id {
    /// What should be in a file that holds one, for messages.
    pub(crate) const EXPECTED: &str = "an id of 32 hexadecimal digits";

    /// The 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a card that does not answer gives as any of its ids.
    pub fn is_all_ones(&self) -> bool {
        self.0.bytes().all(|digit| digit == b'f')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_capitals_and_white_space_make_no_difference() {
        let id: Id = " D8424DC4-A4A3-C413-F89E-433683F9040B\n".parse().unwrap();
        assert_eq!(id.as_str(), "d8424dc4a4a3c413f89e433683f9040b");
        assert_eq!(id, "d8424dc4a4a3c413f89e433683f9040b".parse().unwrap());
    }

    #[test]
    fn what_is_not_32_hexadecimal_digits_is_no_id() {
        let digits = "d8424dc4a4a3c413f89e433683f9040b";
        let bad =
            ["", "-", "unparsable", "../../etc", &digits[1..], &format!("{digits}0"), &digits.repeat(2)];
        for text in bad.into_iter().chain(["d8424dc4a4a3c413f89e433683f9040g", &"-".repeat(1000)]) {
            assert_eq!(text.parse::<Id>(), Err(BadId), "{text}");
        }
    }
}
