//! Text of unknown origin made safe for a terminal and for line-based log readers.

use std::fmt::{self, Write};

/// Escapes everything that is written through it, as JSON does, onto the end of a string.
///
/// Control characters, line separators and characters that change the direction of writing are escaped, so
/// that the content of some device's file can neither forge a log line nor rewrite a terminal.
pub(crate) struct Escape<'a> {
    out: &'a mut String,
    quotes: bool,
}

impl<'a> Escape<'a> {
    /// For text that stands by itself, such as a message: quotes and backslashes stay as they are.
    pub(crate) fn bare(out: &'a mut String) -> Self {
        Self { out, quotes: false }
    }

    /// For text between double quotes.
    pub(crate) fn inside_quotes(out: &'a mut String) -> Self {
        Self { out, quotes: true }
    }
}

impl Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '"' | '\\' if self.quotes => self.out.extend(['\\', character]),
                character if is_unsafe(character) => write!(self.out, "\\u{:04x}", u32::from(character))?,
                character => self.out.push(character),
            }
        }
        Ok(())
    }
}

/// The text on one line, escaped where it has to be.
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Writing to a string cannot fail.
    let _ = Escape::bare(&mut out).write_str(text);
    out
}

/// The text between double quotes, escaped.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    // Writing to a string cannot fail.
    let _ = Escape::inside_quotes(&mut out).write_str(text);
    out.push('"');
    out
}

/// All of these lie in the basic plane, so four hexadecimal digits hold them.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}
