//! What a flag can set: the basic types, read as Go's `flag` and `strconv` packages read them.

use std::time::Duration;

use super::duration;
use crate::escape::quoted;

const PARSE_ERROR: &str = "parse error";
const OUT_OF_RANGE: &str = "value out of range";

/// A variable that a flag sets.
pub trait Value {
    /// The word after the flag's name in the usage text, such as `int`.
    fn kind(&self) -> &'static str;

    /// Reads the word and takes its value.
    ///
    /// # Errors
    /// Why the word is refused, as the end of a sentence; the value is then as it was.
    fn set(&mut self, word: &str) -> Result<(), String>;

    /// The value as the usage text shows it, `None` if it goes without saying: zero, false, empty.
    fn shown(&self) -> Option<String>;

    /// Whether the flag may stand alone, for `true`. Its value then never is a word of its own.
    fn is_switch(&self) -> bool {
        false
    }
}

impl Value for bool {
    fn kind(&self) -> &'static str {
        ""
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        *self = match word {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
            _ => return Err(PARSE_ERROR.to_owned()),
        };
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        self.then(|| "true".to_owned())
    }

    fn is_switch(&self) -> bool {
        true
    }
}

impl Value for i64 {
    fn kind(&self) -> &'static str {
        "int"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        let (negative, digits) = match word.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, word.strip_prefix('+').unwrap_or(word)),
        };
        let magnitude = unsigned(digits)?;
        let value =
            if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
        *self = value.ok_or(OUT_OF_RANGE)?;
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        (*self != 0).then(|| self.to_string())
    }
}

impl Value for u64 {
    fn kind(&self) -> &'static str {
        "uint"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        *self = unsigned(word)?;
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        (*self != 0).then(|| self.to_string())
    }
}

impl Value for String {
    fn kind(&self) -> &'static str {
        "string"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        word.clone_into(self);
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        (!self.is_empty()).then(|| quoted(self))
    }
}

impl Value for Duration {
    fn kind(&self) -> &'static str {
        "duration"
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        *self = duration::parse(word).ok_or(PARSE_ERROR)?;
        Ok(())
    }

    fn shown(&self) -> Option<String> {
        (!self.is_zero()).then(|| duration::format(*self))
    }
}

/// Reads an unsigned integer with Go's base prefixes, as `strconv.ParseUint` with base 0 does.
fn unsigned(word: &str) -> Result<u64, &'static str> {
    let (radix, digits) = match word.as_bytes() {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', b'o' | b'O', digits @ ..] => (8, digits),
        [b'0', b'b' | b'B', digits @ ..] => (2, digits),
        [b'0', digits @ ..] if !digits.is_empty() => (8, digits),
        digits => (10, digits),
    };
    let mut value = 0u64;
    // An underscore stands only between two digits, where the base prefix counts as a digit.
    let mut after_digit = radix != 10;
    let mut underscore = false;
    let mut any = false;
    for &byte in digits {
        if byte == b'_' {
            if underscore || !after_digit {
                return Err(PARSE_ERROR);
            }
            underscore = true;
            continue;
        }
        let digit = char::from(byte).to_digit(radix).ok_or(PARSE_ERROR)?;
        value = value
            .checked_mul(radix.into())
            .and_then(|value| value.checked_add(digit.into()))
            .ok_or(OUT_OF_RANGE)?;
        (after_digit, underscore, any) = (true, false, true);
    }
    if underscore || !any {
        return Err(PARSE_ERROR);
    }
    Ok(value)
}
