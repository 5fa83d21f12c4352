//! Names that the kernel makes of a word and a number.

/// The number of a name such as `card0`, given its word `card`; `None` for every other name, also one with a sign, a second
/// word (`card0-DP-1`) or no number.
///
/// ```
/// assert_eq!(host::number_of("card12", "card"), Some(12));
/// assert_eq!(host::number_of("card0-DP-1", "card"), None);
/// ```
pub fn number_of(name: &str, word: &str) -> Option<u32> {
    let digits = name.strip_prefix(word)?;
    // Rust's parser takes a plus sign, too.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_is_found_after_its_word(number in any::<u32>(), word in "[a-zA-Z_]{0,8}") {
            prop_assert_eq!(number_of(&format!("{word}{number}"), &word), Some(number));
        }
    }

    #[test]
    fn other_names_have_no_number() {
        for name in ["card", "card-1", "card+1", "card1x", "xcard1", "car1", "card 1", "card4294967296", ""] {
            assert_eq!(number_of(name, "card"), None, "{name:?}");
        }
    }
}
