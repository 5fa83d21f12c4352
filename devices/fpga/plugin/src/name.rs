//! The names of resources: an accelerator function's holds the ids of its interface and of itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What a card that does not answer gives as any of its ids.
const ALL_ONES: &str = "ffffffffffffffffffffffffffffffff";

/// Why ids make no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id: hexadecimal digits are expected, 32 of them as a rule")]
pub struct BadId(String);

/// Whether the hardware behind the id has stopped answering.
pub(crate) fn is_dead(id: &str) -> bool {
    id.eq_ignore_ascii_case(ALL_ONES)
}

/// `af-<I>.<A>.<BASE64>`: the first three digits of the interface's and of the function's id, for people, and both ids
/// in full, so that the name stays below 63 characters.
pub fn function(interface: &str, function: &str) -> Result<String, BadId> {
    let mut digits = Vec::new();
    for id in [interface, function] {
        let values: Option<Vec<u8>> = id.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect();
        let values = values.filter(|values| values.len() >= 3).ok_or_else(|| BadId(id.to_owned()))?;
        digits.extend(values);
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(BadId(function.to_owned()));
    }
    let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    let short = |id: &str| id.chars().take(3).collect::<String>();
    Ok(format!("af-{}.{}.{}", short(interface), short(function), URL_SAFE_NO_PAD.encode(&bytes)))
}

/// `region-<INTERFACE>`.
pub fn region(interface: &str) -> Result<String, BadId> {
    let good = !interface.is_empty() && interface.bytes().all(|byte| byte.is_ascii_hexdigit());
    if good { Ok(format!("region-{interface}")) } else { Err(BadId(interface.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_the_go_implementations_names() {
        for (interface, id, name) in [
            (
                "ce48969398f05f33946d560708be108a",
                "d8424dc4a4a3c413f89e433683f9040b",
                "af-ce4.d84.zkiWk5jwXzOUbVYHCL4QithCTcSko8QT-J5DNoP5BAs",
            ),
            (
                "bfac4d851ee856fe8c95865ce1bbaa2d",
                "f7df405cbd7acf7222f144b0b93acd18",
                "af-bfa.f7d.v6xNhR7oVv6MlYZc4buqLfffQFy9es9yIvFEsLk6zRg",
            ),
            (
                "69528db6eb31577a8c3668f9faa081f6",
                "d8424dc4a4a3c413f89e433683f9040b",
                "af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs",
            ),
            (
                "69528db6eb31577a8c3668f9faa081f6",
                "f7df405cbd7acf7222f144b0b93acd18",
                "af-695.f7d.aVKNtusxV3qMNmj5-qCB9vffQFy9es9yIvFEsLk6zRg",
            ),
            (ALL_ONES, ALL_ONES, "af-fff.fff.__________________________________________8"),
        ] {
            assert_eq!(function(interface, id).unwrap(), name);
            assert!(name.len() <= 63);
        }
    }

    #[test]
    fn what_is_no_id_is_an_error_and_no_panic() {
        let good = "69528db6eb31577a8c3668f9faa081f6";
        for bad in ["", "6", "69", "unparsable", "6952-8db6", "é952", "+952", "69528"] {
            assert!(function(bad, good).is_err() || bad == "69528", "{bad}");
            assert!(function(good, bad).is_err(), "{bad}");
        }
        assert_eq!(function("", "").unwrap_err(), BadId(String::new()));
        assert_eq!(region(good).unwrap(), format!("region-{good}"));
        assert_eq!(
            region("").unwrap_err().to_string(),
            "\"\" is no id: hexadecimal digits are expected, 32 of them as a rule"
        );
        assert!(region("../x").is_err());
    }
}
