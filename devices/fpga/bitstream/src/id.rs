//! The ids of interfaces and functions, and the names of files in the store.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The id of an interface or of an accelerated function (AFU): 128 bits.
///
/// Read from 32 hexadecimal digits of either case, with white space around and dashes anywhere; shown as 32 lower-case
/// digits, as the kernel's drivers do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(u128);

/// What a file is called in the store, before its extension: the id of the function, or for AOCX, which all report one and
/// the same id, the hash of the program.
///
/// It is 1 to 64 letters and digits in lower case, so it is always one part of a path. Read like an [`Id`]: white space
/// around and dashes are taken out, capitals become lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// The text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is no id: expected 32 hexadecimal digits", shown(.0))]
pub struct BadId(String);

/// The text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is no name of a bitstream: expected 1 to 64 letters and digits", shown(.0))]
pub struct BadName(String);

const MAX_NAME: usize = 64;
/// Of a wrong text, so much is shown.
const MAX_SHOWN: usize = 80;

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let digits = canonical(text);
        // The check of digits is for a sign, which numbers may have.
        let is_id = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        match u128::from_str_radix(&digits, 16) {
            Ok(number) if is_id => Ok(Self(number)),
            _ => Err(BadId(text.to_owned())),
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Id {
    /// What should be in a file that holds one, for messages.
    pub const EXPECTED: &str = "an id of 32 hexadecimal digits";

    /// Its 128 bits, in the order of its digits.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// What a card that does not answer gives as any of its ids.
    pub fn is_all_ones(self) -> bool {
        self.0 == u128::MAX
    }
}

impl TryFrom<String> for Id {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let name = canonical(text);
        let good = (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_alphanumeric());
        if good { Ok(Self(name)) } else { Err(BadName(text.to_owned())) }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Id> for Name {
    fn from(id: Id) -> Self {
        Self(id.to_string())
    }
}

/// What the Go implementation makes of an id before it compares it.
fn canonical(text: &str) -> String {
    text.trim().chars().filter(|&c| c != '-').map(|c| c.to_ascii_lowercase()).collect()
}

fn shown(text: &str) -> String {
    let start: String = text.chars().take(MAX_SHOWN).collect();
    format!("{start:?}{}", if start.len() < text.len() { "…" } else { "" })
}
