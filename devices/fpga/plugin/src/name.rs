//! The ids of cards and functions, and the names of resources that are made of them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What an id should be, for messages.
pub(crate) const ID: &str = "an id: 32 hexadecimal digits as a rule";

/// The longest part of a resource's name after the slash that Kubernetes takes.
const MAX_NAME: usize = 63;

/// The id of an interface or a function: 3 to 40 hexadecimal digits, and 32 from any kernel driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(String);

/// The text is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not {ID}")]
pub struct BadId;

/// Two ids make no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// A digit is left over.
    #[error("the ids {0} and {1} have an odd number of digits together")]
    Odd(Id, Id),
    /// It is too long, or ends in a character that may only be inside of a name.
    #[error("Kubernetes takes no resource of the name {0}")]
    Refused(String),
}

impl FromStr for Id {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let good = (3..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if good { Ok(Self(text.to_owned())) } else { Err(BadId) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Id {
    /// The digits, in the case in which they were given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a card that does not answer gives as any of its ids.
    pub(crate) fn is_all_ones(&self) -> bool {
        self.0.bytes().all(|digit| digit.eq_ignore_ascii_case(&b'f'))
    }
}

/// `af-<I>.<F>.<BASE64>`: the first three digits of the interface's and of the function's id, for people, then both ids
/// in full, in base64 so that the name is short enough.
pub fn function(interface: &Id, function: &Id) -> Result<String, BadName> {
    let digits: Vec<u8> = [interface, function]
        .iter()
        .flat_map(|id| id.0.chars())
        .filter_map(|digit| digit.to_digit(16)?.try_into().ok())
        .collect();
    let (pairs, []) = digits.as_chunks::<2>() else {
        return Err(BadName::Odd(interface.clone(), function.clone()));
    };
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    let short = |id: &Id| id.0.chars().take(3).collect::<String>();
    let name = format!("af-{}.{}.{}", short(interface), short(function), URL_SAFE_NO_PAD.encode(&bytes));
    // Base64 may end in '-' or '_'; not that of 32 bytes.
    if name.len() > MAX_NAME || name.ends_with(['-', '_']) {
        return Err(BadName::Refused(name));
    }
    Ok(name)
}

/// `region-<INTERFACE>`.
pub fn region(interface: &Id) -> String {
    format!("region-{interface}")
}

#[cfg(test)]
mod tests;
